"""The auditor: after every step it looks at what was written since, and believes nothing.

It keeps its own balance of every account (from the entries alone) and its own state of every
aggregate (from the events alone), and compares them with the rows; it compares the rows and the
API's answers with the model, and the model with the bank. Nothing is read twice: what a step did
not touch was looked at before, and everything is derived again from the start now and then.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from online.kernel.events import Occurred
from online.ledger.aggregate import decode_event
from online.operations.verify import AGGREGATES, verify_books
from tests.simulation.model import Model
from tests.simulation.model_payouts import Beneficiary, Payout
from tests.simulation.things import Payment
from tests.simulation.world import World

NEW_EVENTS = """select id, aggregate_id, aggregate_type, event_type, version, timestamp as at,
    merchant_id, livemode, data from payment_events where xid >= %s::text::xid8
    order by aggregate_id, version"""
NEW_ENTRIES = """select e.*, t.kind, t.cause, a.code, a.posted, a.pending, a.version, a.floor,
        a.forced, a.normal_side
    from ledger_entries e
    join ledger_transactions t on t.id = e.transaction_id
    join ledger_accounts a on a.id = e.account_id
    where e.xid >= %s::text::xid8 order by e.account_id, e.account_version"""
SPENT = """select window_start as day, used, cap from limit_counters
    where rule = 'amount_per_day' and used > 0"""
SENT = """select window_start as day, used from limit_counters
    where rule = 'p2p.amount_per_day' and used > 0"""
LENT = """select rule, used from limit_counters
    where (rule like 'handle_%%' or rule like 'delegation_%%') and used > 0"""
BALANCES = """select code, sum(posted)::bigint as posted, sum(pending)::bigint as pending
    from ledger_accounts group by code"""


DEBITS = {
    "a period was debited twice": """select mandate_id, period from mandate_executions
        where status = 'succeeded' group by 1, 2 having count(*) > 1""",
    "more was taken in a period than was permitted": """select * from limit_counters
        where rule = 'amount_per_period' and used > cap""",
    "tried too often": "select id from mandate_executions where tried > 4",
    "tried before the payer was told for a day": """
        select e.id from mandate_executions e
        join payment_events told on told.aggregate_id = e.id
            and told.event_type = 'mandate_execution.notice_sent'
        join payment_events tried on tried.aggregate_id = e.id
            and tried.event_type = 'mandate_execution.tried'
        where tried.timestamp < told.timestamp + interval '24 hours'""",
    "tried in the hours in which that is not allowed": """
        select id, at from (select id, (timestamp at time zone 'Asia/Kolkata')::time as at
            from payment_events where event_type = 'mandate_execution.tried') t
        where at >= '10:00' and at < '13:00' or at >= '17:00' and at < '21:30'""",
    "begun after the mandate was revoked": """
        select e.id from mandate_executions e
        join payment_events over on over.aggregate_id = e.mandate_id
            and over.event_type = 'mandate.revoked'
        join payment_events tried on tried.aggregate_id = e.id
            and tried.event_type = 'mandate_execution.tried'
        where tried.timestamp > over.timestamp""",
}


class Objection(AssertionError):
    """Something does not add up."""


@dataclass
class Account:
    """A (sub-)account by its entries."""

    code: str
    posted: int = 0
    pending: int = 0
    version: int = 0


class Auditor:
    """`owner_url` is for looking; the auditor writes nothing."""

    def __init__(self, world: World, owner_url: str) -> None:
        self.world = world
        self.url = owner_url
        self.accounts: dict[UUID, Account] = {}
        self.states: dict[UUID, tuple[str, Any]] = {}
        self.seen_from = "0"
        self.connection: AsyncConnection[dict[str, Any]] | None = None

    async def open(self) -> None:
        self.connection = await AsyncConnection.connect(
            self.url, autocommit=True, row_factory=dict_row
        )

    async def close(self) -> None:
        if self.connection is not None:
            await self.connection.close()

    async def _rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        assert self.connection is not None
        return await (await self.connection.execute(sql, parameters)).fetchall()

    # ── after every step ─────────────────────────────────────────────────────────────────

    async def check_step(self) -> None:
        """What was written since the last step."""
        since = self.seen_from
        (mark,) = await self._rows("select pg_snapshot_xmax(pg_current_snapshot())::text as xid")
        self.seen_from = mark["xid"]
        self._fold_entries(await self._rows(NEW_ENTRIES, since))
        touched = self._fold_events(await self._rows(NEW_EVENTS, since))
        for kind, ids in touched.items():
            await self._compare_rows(kind, ids)
        self._compare_merchants()
        self._compare_memo()
        self._compare_wallets()
        self.check_bank()

    def check_bank(self) -> None:
        _refuse(self.world.bank.violations, "the bank was asked what it must not be asked")

    def _fold_entries(self, rows: Sequence[Mapping[str, Any]]) -> None:
        sums: Counter[tuple[Any, ...]] = Counter()
        last: dict[UUID, Mapping[str, Any]] = {}
        for row in rows:
            sums[row["transaction_id"], row["currency"], row["layer"]] += row["amount_cents"]
            account = self.accounts.setdefault(row["account_id"], Account(row["code"]))
            if row["account_version"] != account.version + 1:
                raise Objection(f"{account} has no entry before {row}")
            account.version += 1
            balance = getattr(account, row["layer"]) + row["amount_cents"]
            setattr(account, row["layer"], balance)
            if balance != row["balance_after"]:
                raise Objection(f"{row} leaves {balance}")
            last[row["account_id"]] = row
        _refuse({key: gap for key, gap in sums.items() if gap}, "transactions do not sum to zero")
        for row in last.values():
            account = self.accounts[row["account_id"]]
            found = (row["posted"], row["pending"], row["version"])
            if found != (account.posted, account.pending, account.version):
                raise Objection(f"by its entries it is {account}, its row says {found}")
            self._check_floor(row)
        for layer in ("posted", "pending"):
            left = sum(getattr(account, layer) for account in self.accounts.values())
            _refuse(left, f"the {layer} layer does not sum to zero")

    def _check_floor(self, row: Mapping[str, Any]) -> None:
        if row["floor"] is None:
            return
        sign = 1 if row["normal_side"] == "C" else -1
        now = sign * row["posted"]
        least = min(now, now + sign * row["pending"])
        if least < row["floor"] - row["forced"]:
            raise Objection(f"{row['code']} stands at {least}, its floor is {row['floor']}")
        if row["forced"] != max(0, row["floor"] - least):
            raise Objection(f"{row['code']} is forced by {row['forced']} at {least}: {row}")

    def _fold_events(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[UUID]]:
        touched: dict[str, dict[UUID, None]] = {}
        for row in rows:
            kind = row["aggregate_type"]
            if kind not in AGGREGATES:
                continue  # a fact without a state
            _, state = self.states.get(row["aggregate_id"], (kind, None))
            if row["version"] != (state.version if state is not None else 0) + 1:
                raise Objection(f"an event is missing before {row}")
            occurred = Occurred(
                aggregate_id=row["aggregate_id"],
                version=row["version"],
                at=row["at"],
                merchant_id=row["merchant_id"],
                livemode=row["livemode"],
                event=decode_event(row["event_type"], row["data"]),
            )
            self.states[row["aggregate_id"]] = (kind, AGGREGATES[kind].apply(state, occurred))
            touched.setdefault(kind, {})[row["aggregate_id"]] = None
        return {kind: list(ids) for kind, ids in touched.items()}

    async def _compare_rows(self, kind: str, ids: list[UUID]) -> None:
        """Each touched row is what its events make of it, and keeps its caps."""
        table = AGGREGATES[kind].snapshot.name
        found = {
            row["id"]: row
            for row in await self._rows(f"select * from {table} where id = any(%s)", ids)
        }
        for id_ in ids:
            _, state = self.states[id_]
            if id_ not in found:
                raise Objection(f"{kind} {id_} has events and no row")
            row = msgspec.convert(found[id_], type(state))
            if row != state:
                fields = [
                    f for f in state.__struct_fields__ if getattr(row, f) != getattr(state, f)
                ]
                raise Objection(f"{kind} {id_} differs from its events in {fields}: {row}")
            if kind == "payment":
                _check_caps(row)

    def _compare_merchants(self) -> None:
        """What each merchant has, by the entries, and by the model."""
        by_code = self._by_code()
        merchants = self.world.model.merchants.values()
        tds = by_code["tax:tds", "posted"], sum(merchant.tds for merchant in merchants)
        if tds[0] != tds[1]:
            raise Objection(f"tax:tds holds {tds[0]}, not {tds[1]}")
        reserves: Counter[str] = Counter()
        for (code, layer), amount in by_code.items():
            if ":reserve:" in code and layer == "posted":
                reserves[code.split(":")[1]] += amount
        self._compare_escrows(by_code)
        for merchant in merchants:
            if reserves[merchant.id] != merchant.reserve:
                raise Objection(f"{merchant} has a reserve of {reserves[merchant.id]}")
        for merchant in self.world.model.merchants.values():
            for name, layer, wanted in (
                ("pending", "posted", merchant.balance),
                ("pending", "pending", merchant.held),
                ("payable", "posted", merchant.payable),
                ("disputed", "posted", merchant.disputed),
            ):
                found = by_code[f"merchant:{merchant.id}:{name}", layer]
                if found != wanted:
                    raise Objection(f"{merchant} {name} ({layer}) holds {found}, not {wanted}")

    def _compare_escrows(self, by_code: Mapping[tuple[str, str], int]) -> None:
        """Each has an account of its own, of its owner's."""
        model = self.world.model
        wanted = {
            f"merchant:{model.merchants[each.owner].id}:escrow:{each.id}": each.held
            for each in model.escrows
        }
        found = {code: sum_ for (code, layer), sum_ in by_code.items()
                 if ":escrow:" in code and layer == "posted"}  # fmt: skip
        if {c: s for c, s in found.items() if s} != {c: s for c, s in wanted.items() if s}:
            raise Objection(f"escrows hold {found}, not {wanted}")

    def _compare_memo(self) -> None:
        """What people have sent each other, by the entries, and by the model."""
        by_code = self._by_code()
        for rail, sent in self.world.model.people.memo.items():
            for side, wanted in (("payer", -sent), ("payee", sent)):
                found = by_code[f"p2p:{rail}:{side}", "posted"]
                if found != wanted:
                    raise Objection(f"p2p:{rail}:{side} holds {found}, not {wanted}")

    def _compare_wallets(self) -> None:
        """What users have in their wallets and on its way there, by the entries and the model."""
        by_code = self._by_code()
        for purse in self.world.model.purses:
            code = f"customer:{purse.customer}:lite"
            found = by_code[code, "posted"], by_code[code, "pending"]
            if found != (purse.balance, purse.pending):
                raise Objection(f"{purse} holds {found}")

    def _by_code(self) -> Counter[tuple[str, str]]:
        balances: Counter[tuple[str, str]] = Counter()
        for account in self.accounts.values():
            balances[account.code, "posted"] += account.posted
            balances[account.code, "pending"] += account.pending
        return balances

    # ── now and then, and at the end ─────────────────────────────────────────────────────

    async def check_everything(self) -> None:
        """All of it again, from the log; then every object over the API against the model."""
        report = await verify_books(self.url)
        if not report.holds:
            raise Objection(f"verify-books: {report}")
        await self._check_limits()
        found = {
            (row["code"]): (row["posted"], row["pending"]) for row in await self._rows(BALANCES)
        }
        ours = self._by_code()
        for code, balances in found.items():
            if balances != (ours[code, "posted"], ours[code, "pending"]):
                raise Objection(f"{code} holds {balances}, we have {ours[code, 'posted']}")
        for payment in self.world.model.payments.values():
            if payment.id is not None:
                await self.check_payment(payment)
        await self._check_others()
        await self._check_mandates()

    async def _check_mandates(self) -> None:
        """By the rows alone: one debit a period, told of a day before, never after the end."""
        for name, sql in DEBITS.items():
            _refuse(await self._rows(sql), name)
        for execution in self.world.model.executions:
            path = f"/api/v1/mandates/{execution.mandate.id}/executions/{execution.id}"
            shown = (await self.world.clients[execution.mandate.merchant].get(path)).body
            if shown["status"] not in execution.may_be():
                raise Objection(f"{execution} is shown as {shown}")

    async def _check_limits(self) -> None:
        """What payers have spent a day, by the counters and by the model, without names."""
        rows = await self._rows(SPENT)
        _refuse([row for row in rows if row["used"] > row["cap"]], "limits were passed")
        found = Counter((row["day"], row["used"]) for row in rows)
        ours = Counter((day, used) for (_, day), used in self.world.model.spent.items() if used)
        _refuse((found - ours) + (ours - found), "spent, by the counters or by us alone")
        rows = await self._rows(SENT)
        found = Counter((row["day"], row["used"]) for row in rows)
        ours = Counter((day, n) for (_, day), n in self.world.model.people.sent.items() if n)
        _refuse((found - ours) + (ours - found), "sent, by the counters or by us alone")

        await self._check_lent()

    async def _check_lent(self) -> None:
        """The same of handles and delegations."""
        found = Counter((row["rule"], row["used"]) for row in await self._rows(LENT))
        counted = self.world.model.counted.items()
        ours = Counter((name.partition(" ")[0], used) for name, used in counted if used)
        _refuse((found - ours) + (ours - found), "lent, by the counters or by us alone")

    async def check_payment(self, payment: Payment) -> None:
        shown = await self.world.clients[payment.merchant].get(f"/api/v1/payments/{payment.id}")
        compare(payment.name, shown.body, payment.shown())

    async def _check_others(self) -> None:
        model = self.world.model
        for refund in model.refunds.values():
            if refund.id is not None:
                client = self.world.clients[refund.payment.merchant]
                shown = await client.get(f"/api/v1/refunds/{refund.id}")
                wanted = {"status": refund.status, "amount": refund.amount}
                compare(refund.name, shown.body, wanted)
        for dispute in model.disputes.values():
            client = self.world.clients[dispute.payment.merchant]
            shown = await client.get(f"/api/v1/disputes/{dispute.id}")
            compare(dispute.name, shown.body, {"status": dispute.status})
        for each in (*model.payouts, *model.beneficiaries):
            paths = {Payout: "payouts", Beneficiary: "payout-beneficiaries"}
            path = f"/api/v1/{paths[type(each)]}/{each.id}"
            compare(each.name, (await self.world.clients["large"].get(path)).body, each.shown())
        for purse in model.purses:
            path = f"/api/v1/wallets/{purse.customer}"
            shown = await self.world.clients[purse.merchant].get(path)
            compare(purse.name, shown.body, purse.shown())
        for transfer in model.transfers:
            path = f"/api/v1/transfers/{transfer.id}"
            shown = await self.world.clients[transfer.merchant].get(path)
            compare(transfer.name, shown.body, transfer.shown())
        for intent in model.intents.values():
            shown = await self.world.clients[intent.merchant].get(f"/api/v1/intents/{intent.id}")
            compare(intent.name, shown.body, {"status": intent.status, "amount": intent.amount})

    def check_against_bank(self) -> None:
        """Once nothing is open: what the bank took and gave back is what we say it did."""
        model, bank = self.world.model, self.world.bank
        open_ = [each for each in model.attempts.values() if each.open]
        _refuse(open_, "recovery has left something open")
        for payment in model.payments.values():
            if not payment.authorization or payment.authorization in model.late:
                continue
            taken = bank.taken(payment.authorization)
            back = bank.given_back(payment.authorization)
            ours = payment.refunded + payment.reversed + payment.unplaced_back
            if (taken, back) != (payment.captured + payment.unplaced_taken, ours):
                raise Objection(f"the bank took {taken} and gave {back} back: {payment}")
        for item in model.late.values():
            if not item.returned:
                raise Objection(f"never given back: {item}")
            taken, back = bank.taken(item.reference), bank.given_back(item.reference)
            held = item.amount if item.captured else 0
            if (taken, back) != (held, held + item.twice):
                raise Objection(f"the bank took {taken} and gave {back} back: {item}")
        for transfer in model.transfers:
            reference = transfer.authorization
            taken = bank.taken(reference) - bank.given_back(reference)
            if taken != (transfer.amount if transfer.status == "succeeded" else 0):
                raise Objection(f"the bank took {taken}: {transfer}")
        self._check_loads(model)
        self._check_receivables(model)

    def _check_loads(self, model: Model) -> None:
        bank = self.world.bank
        for load in (load for purse in model.purses for load in purse.loads):
            found = bank.taken(load.reference), bank.given_back(load.reference)
            came = load.amount if load.status in {"succeeded", "returned"} else 0
            if found != (came, load.returned + load.twice):
                raise Objection(f"the bank took and gave back {found}: {load}")

    def _check_receivables(self, model: Model) -> None:
        balances = self._by_code()
        for rail, owed in model.receivable.items():
            found = -balances[f"rail:{rail}:receivable", "posted"]
            if found != owed:
                raise Objection(f"{rail} owes {owed}, the books say {found}")
            unplaced = balances[f"suspense:{rail}", "posted"]
            if unplaced != model.suspense[rail]:
                raise Objection(f"{rail} holds {unplaced} in suspense, not {model.suspense[rail]}")
            promised = balances[f"refunds:{rail}:payable", "posted"]
            _refuse(promised, f"refunds of {rail} are promised for ever")


def compare(name: str, shown: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """An answer of the API and what the model says."""
    off = {key: (shown.get(key), value) for key, value in wanted.items() if shown.get(key) != value}
    _refuse(off, f"{name} ({shown.get('id')}): shown, and as it should be")


def _check_caps(row: Any) -> None:
    asked = row.captured_minor + row.capture_open_minor
    back = row.refunded_minor + row.refund_open_minor + row.reversed_minor
    if not 0 <= asked <= row.authorized_minor <= row.amount_minor:
        raise Objection(f"captured and open {asked} of {row.authorized_minor}: {row}")
    if not 0 <= back <= row.captured_minor:
        raise Objection(f"given back and promised {back} of {row.captured_minor}: {row}")


def _refuse(what: object, why: str) -> None:
    if what:
        raise Objection(f"{why}: {what}")
