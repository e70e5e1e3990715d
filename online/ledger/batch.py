"""One batch of changes: lock what they touch, decide each refusal, write the rest set-wise.

The order of locks is global (open months, idempotency keys, aggregates by table and id, limit
counters, accounts by id), so that two batches never wait for each other in a circle. Refusals are
decided here, in Python, against the locked rows plus what earlier changes of the same batch did.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import ids
from online.kernel.errors import (
    Headroom,
    InsufficientFunds,
    InvalidRequest,
    KhataError,
    LimitExceeded,
    PeriodClosed,
    VersionConflict,
)
from online.ledger.balance import Balance, Delta
from online.ledger.change import CLOSED, Change, LimitMove, Snapshot
from online.ledger.journal import Journal
from online.platform.copy_binary import Table
from online.platform.idempotency import KEYS, IdempotencyKey, KeyTaken, StoredKey
from online.platform.sql import BlockingConnection, copy_rows_blocking, load_queries

QUERIES: Final = load_queries(__package__ or "online.ledger")

EVENTS: Final = Table(
    "payment_events",
    "id uuid, aggregate_id uuid, aggregate_type text, event_type text, version int8,"
    "timestamp timestamptz, merchant_id uuid, data jsonb, metadata jsonb, livemode bool",
)
TRANSACTIONS: Final = Table(
    "ledger_transactions",
    "id uuid, cause uuid, kind text, reference text, merchant_id uuid, business_date date,"
    "effective_at timestamptz, created_at timestamptz, metadata jsonb, livemode bool",
)
ENTRIES: Final = Table(
    "ledger_entries",
    "id uuid, transaction_id uuid, account_id uuid, account_version int8, amount_cents int8,"
    "currency text, entry_type text, balance_after int8, layer text, business_date date,"
    "effective_at timestamptz, created_at timestamptz, livemode bool",
)
OUTBOX: Final = Table(
    "outbox", "id uuid, topic text, payload jsonb, run_at timestamptz, livemode bool"
)

LimitKey = tuple[str, str, date]


class Counter(msgspec.Struct):
    used: int
    stored: bool
    cap: int = 0
    livemode: bool = False
    moved: bool = False


class Batch:
    """Changes that go into one PostgreSQL transaction."""

    def __init__(self, changes: Sequence[Change], stripe: int) -> None:
        self.changes = changes
        self.stripe = stripe
        self.refusals: list[KhataError | None] = [None] * len(changes)
        self._keys: dict[tuple[UUID, str], StoredKey | None] = {}
        self._versions: dict[tuple[str, UUID], int] = {}
        self._counters: dict[LimitKey, Counter] = {}
        self._balances: dict[UUID, Balance] = {}
        self._open_from: date | None = None
        self._copies: dict[str, tuple[Table, list[Sequence[Any]]]] = {}
        self._updates: dict[str, tuple[Snapshot, dict[UUID, msgspec.Struct]]] = {}
        self._answers: list[tuple[UUID, str, int, bytes]] = []

    # ── locks ────────────────────────────────────────────────────────────────────────────

    def lock(self, connection: BlockingConnection) -> None:
        """Begins the transaction; locks and reads what the changes touch, in the global order."""
        plan = self._lock_plan()
        with connection.pipeline():
            connection.execute("begin")
            cursors = [
                connection.execute(sql, parameters, binary=True) for sql, parameters, _ in plan
            ]
            for cursor, (_, _, keep) in zip(cursors, plan, strict=True):
                keep(cursor.fetchall())

    def _lock_plan(self) -> list[tuple[str, dict[str, Any], Any]]:
        plan: list[tuple[str, dict[str, Any], Any]] = []
        keys = sorted(
            {(c.reserve.merchant_id, c.reserve.key) for c in self.changes if c.reserve}
            | {(c.answer.merchant_id, c.answer.key) for c in self.changes if c.answer}
        )
        if keys:
            parameters = {"merchants": [k[0] for k in keys], "keys": [k[1] for k in keys]}
            plan.append((QUERIES["lock_keys"], parameters, self._keep_keys))
        for table, (snapshot, wanted) in sorted(self._existing().items()):
            plan.append((snapshot.lock, {"ids": sorted(wanted)}, self._keeper(table)))
        limits = sorted({_limit_key(move) for c in self.changes for move in c.limits})
        if limits:
            subjects, rules, windows = map(list, zip(*limits, strict=True))
            parameters = {"subjects": subjects, "rules": rules, "windows": windows}
            plan.append((QUERIES["lock_limits"], parameters, self._keep_limits))
        accounts = sorted(
            {
                self._account_id(journal, n)
                for change in self.changes
                for journal in change.journals
                for n in range(len(journal.postings))
            }
        )
        if accounts:
            # Months stay as open as they are from here to the commit.
            plan.insert(0, (QUERIES["open_from"], {}, self._keep_open_from))
            plan.append((QUERIES["lock_accounts"], {"ids": accounts}, self._keep_accounts))
        return plan

    def _existing(self) -> dict[str, tuple[Snapshot, set[UUID]]]:
        wanted: dict[str, tuple[Snapshot, set[UUID]]] = {}
        for change in self.changes:
            for row in change.snapshots:
                if row.expected_version:
                    wanted.setdefault(row.snapshot.name, (row.snapshot, set()))[1].add(row.id)
        return wanted

    def _keep_open_from(self, rows: list[Any]) -> None:
        ((self._open_from,),) = rows

    def _keep_keys(self, rows: list[Any]) -> None:
        for row in rows:
            self._keys[row[0], row[1]] = StoredKey(*row)

    def _keeper(self, table: str) -> Any:
        def keep(rows: list[Any]) -> None:
            for id_, version in rows:
                self._versions[table, id_] = version

        return keep

    def _keep_limits(self, rows: list[Any]) -> None:
        for subject, rule, window, used in rows:
            self._counters[subject, rule, window] = Counter(used, stored=True)

    def _keep_accounts(self, rows: list[Any]) -> None:
        for id_, posted, pending, version, side, floor, ceiling, code in rows:
            sign = 1 if side == "C" else -1
            self._balances[id_] = Balance(posted, pending, version, sign, floor, ceiling, code)

    # ── decisions ────────────────────────────────────────────────────────────────────────

    def decide(self) -> None:
        """Admits or refuses each change, in order; what is admitted is ready to write."""
        for index, change in enumerate(self.changes):
            refusal = (
                self._key_refusal(change.reserve)
                or self._version_refusal(change)
                or self._period_refusal(change.journals)
                or self._limit_refusal(change.limits)
                or self._funds_refusal(change.journals)
            )
            self.refusals[index] = refusal
            if refusal is None:
                self._admit(change)

    def _key_refusal(self, reserve: IdempotencyKey | None) -> KhataError | None:
        if reserve is None or (reserve.merchant_id, reserve.key) not in self._keys:
            return None
        stored = self._keys[reserve.merchant_id, reserve.key]
        return KeyTaken("this Idempotency-Key is in use", "Idempotency-Key", stored)

    def _version_refusal(self, change: Change) -> KhataError | None:
        for row in change.snapshots:
            found = self._versions.get((row.snapshot.name, row.id), 0)
            if found != row.expected_version:
                return VersionConflict(
                    f"{row.snapshot.name} changed meanwhile: at version {found}, "
                    f"decided on {row.expected_version}"
                )
        return None

    def _period_refusal(self, journals: Sequence[Journal]) -> KhataError | None:
        if self._open_from is None:  # no month was ever closed
            return None
        for journal in journals:
            if journal.business_date < self._open_from:
                return PeriodClosed(f"{journal.business_date} is in a closed month")
        return None

    def _limit_refusal(self, moves: Sequence[LimitMove]) -> KhataError | None:
        sums: dict[LimitKey, int] = defaultdict(int)
        for move in moves:
            key = _limit_key(move)
            sums[key] += move.delta
            counter = self._counters.get(key)
            used = counter.used if counter else 0
            if move.delta >= 0 and used + sums[key] > move.cap:
                return _over(move, used + sums[key] - move.delta)
        return None

    def _funds_refusal(self, journals: Sequence[Journal]) -> KhataError | None:
        wanted: dict[UUID, Delta] = {}
        for journal in journals:
            for n, posting in enumerate(journal.postings):
                delta = wanted.setdefault(self._account_id(journal, n), Delta())
                delta.add(posting.amount_minor, posting.layer, forced=journal.forced)
                delta.own_money |= journal.own_money and posting.amount_minor < 0
        for account_id, delta in wanted.items():
            balance = self._balances[account_id]
            if not balance.fits(delta):
                return InvalidRequest(f"the balance of {balance.code} would not fit into 64 bits")
            if balance.refuses(delta):
                return InsufficientFunds(f"{balance.code} does not hold enough")
        return None

    def _admit(self, change: Change) -> None:
        if change.reserve:
            key = change.reserve
            self._keys[key.merchant_id, key.key] = StoredKey(
                key.merchant_id,
                key.key,
                key.request_hash,
                key.resource_id,
                key.status,
                key.body,
                key.created_at,
            )
            self._copy(
                KEYS,
                (
                    key.merchant_id, key.key, key.request_hash, key.resource_id, key.status,
                    key.body, key.created_at, key.livemode, key.resource_type,
                ),
            )  # fmt: skip
        if change.answer:
            answer = change.answer
            self._answers.append((answer.merchant_id, answer.key, answer.status, answer.body))
        for row in change.snapshots:
            self._versions[row.snapshot.name, row.id] = row.row.version
            if row.expected_version == 0:
                self._copy(row.snapshot, msgspec.structs.astuple(row.row))
            else:
                _, rows = self._updates.setdefault(row.snapshot.name, (row.snapshot, {}))
                rows[row.id] = row.row
        for move in change.limits:
            counter = self._counters.setdefault(_limit_key(move), Counter(0, stored=False))
            if move.delta:
                counter.used = max(0, counter.used + move.delta)
                counter.cap, counter.livemode, counter.moved = move.cap, move.livemode, True
        for append in change.appends:
            for values in append.rows:
                self._copy(append.table, values)
        self._admit_events(change)
        for journal in change.journals:
            self._admit_journal(journal)

    def _admit_events(self, change: Change) -> None:
        for new in change.events:
            metadata = msgspec.structs.replace(
                new.metadata, schema_version=new.event.SCHEMA_VERSION
            )
            self._copy(
                EVENTS,
                (
                    ids.new(new.at), new.aggregate_id, new.event.TYPE.partition(".")[0],
                    new.event.TYPE, new.version, new.at, new.merchant_id, new.event, metadata,
                    new.livemode,
                ),
            )  # fmt: skip
        for message in change.outbox:
            id_ = ids.new(message.run_at)
            self._copy(
                OUTBOX, (id_, message.topic, message.payload, message.run_at, message.livemode)
            )

    def _admit_journal(self, journal: Journal) -> None:
        transaction_id = ids.new(journal.effective_at)
        self._copy(
            TRANSACTIONS,
            (
                transaction_id, journal.cause, journal.kind, journal.reference,
                journal.merchant_id, journal.business_date, journal.effective_at,
                journal.effective_at, journal.metadata, journal.livemode,
            ),
        )  # fmt: skip
        for n, posting in enumerate(journal.postings):
            account_id = self._account_id(journal, n)
            balance = self._balances[account_id]
            after = balance.post(posting.amount_minor, posting.layer)
            self._copy(
                ENTRIES,
                (
                    ids.new(journal.effective_at), transaction_id, account_id, balance.version,
                    posting.amount_minor, journal.currency,
                    "DEBIT" if posting.amount_minor < 0 else "CREDIT", after, posting.layer,
                    journal.business_date, journal.effective_at, journal.effective_at,
                    journal.livemode,
                ),
            )  # fmt: skip

    # ── writing ──────────────────────────────────────────────────────────────────────────

    def write(self, connection: BlockingConnection) -> None:
        """Everything admitted, one statement a table, and the commit with the last of them.

        Transactions go before their entries.
        """
        for table, rows in self._copies.values():
            if table is not ENTRIES:
                copy_rows_blocking(connection, table, rows)
        if ENTRIES.name in self._copies:
            copy_rows_blocking(connection, ENTRIES, self._copies[ENTRIES.name][1])
        with connection.pipeline():
            for snapshot, updated in self._updates.values():
                encoded = msgspec.json.encode(list(updated.values())).decode()
                connection.execute(snapshot.update, {"rows": encoded})
            self._write_limits(connection)
            self._write_accounts(connection)
            if self._answers:
                merchants, keys, statuses, bodies = map(list, zip(*self._answers, strict=True))
                connection.execute(
                    QUERIES["answer_keys"],
                    {"merchants": merchants, "keys": keys, "statuses": statuses, "bodies": bodies},
                )
            connection.execute("commit")

    def _write_limits(self, connection: BlockingConnection) -> None:
        for stored, query in ((False, "insert_limits"), (True, "update_limits")):
            found = [
                (k, c) for k, c in self._counters.items() if c.stored is stored and c.moved
            ]  # fmt: skip
            if found:
                parameters = {
                    "subjects": [k[0] for k, _ in found],
                    "rules": [k[1] for k, _ in found],
                    "windows": [k[2] for k, _ in found],
                    "used": [c.used for _, c in found],
                    "caps": [max(c.cap, c.used) for _, c in found],
                    "livemodes": [c.livemode for _, c in found],
                }
                connection.execute(QUERIES[query], parameters)

    def _write_accounts(self, connection: BlockingConnection) -> None:
        moved = [(id_, b) for id_, b in self._balances.items() if b.moved]
        if moved:
            parameters = {
                "ids": [id_ for id_, _ in moved],
                "posted": [b.posted for _, b in moved],
                "pending": [b.pending for _, b in moved],
                "versions": [b.version for _, b in moved],
                "forced": [b.forced for _, b in moved],
            }
            connection.execute(QUERIES["update_accounts"], parameters)

    def _copy(self, table: Table, row: Sequence[Any]) -> None:
        self._copies.setdefault(table.name, (table, []))[1].append(row)

    def _account_id(self, journal: Journal, n: int) -> UUID:
        account = journal.postings[n].account
        stripe = self.stripe if account.striped else 0
        return account_id(account.code, journal.currency, journal.livemode, stripe)


_ACCOUNT_IDS: dict[tuple[str, str, bool, int], UUID] = {}


def account_id(code: str, currency: str, livemode: bool, stripe: int) -> UUID:
    """The id of a (sub-)account; remembered, since a hash a leg would cost."""
    key = (code, currency, livemode, stripe)
    found = _ACCOUNT_IDS.get(key)
    if found is None:
        found = ids.derived("account", code, currency, str(livemode), str(stripe))
        _ACCOUNT_IDS[key] = found
    return found


def _over(move: LimitMove, used: int) -> KhataError:
    if move.rule == CLOSED:
        return (move.refusal or LimitExceeded)("it was stopped; nothing is paid by it any more")
    detail = f"limit {move.rule} of {move.cap} would be passed"
    if move.refusal is not None:
        return move.refusal(detail)
    left = max(0, move.cap - used)
    room = Headroom(rule=move.rule, cap=move.cap, headroom=left, window_end=move.until)
    return LimitExceeded(detail, move.rule, limit=room)


def _limit_key(move: LimitMove) -> LimitKey:
    return move.subject, move.rule, move.window_start
