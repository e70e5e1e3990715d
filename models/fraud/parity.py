"""Parity: whether what was served to each decision of a day is what training computes for it.

Belongs here: comparing the record of a decision with its replay, value by value, and keeping the
verdict. Does not: the replay itself (`parity_replay`).

A decision's event names the aggregates as they were read, the feature set, and the snapshot they
were read under. Both sides are compared as text, so that a whole number of any size is equal or is
not. The finished vector is compared by its hash.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from typing import Final
from uuid import UUID

import msgspec
from msgspec import Struct

from models.fraud.features import FEATURES, PaymentFacts, feature_set_hash, finish, vector_hash
from models.fraud.parity_replay import decisions, forget, replay
from warehouse.connection import Lake, Warehouse, sql_text

SHOWN: Final = 10
_CHUNK: Final = 10_000
_RECENT_DAYS: Final = 7


class Mismatch(Struct, frozen=True):
    """One value of one decision that was served otherwise than it is replayed."""

    payment_id: UUID | None
    feature: (
        str | None
    )  # or `vector`; or the part of the record without which nothing can be replayed
    served: str | None
    replayed: str | None

    def __str__(self) -> str:
        return f"{self.feature} of {self.payment_id} was {self.served}, replayed {self.replayed}"


class Verdict(Struct, frozen=True, kw_only=True):
    """What came of replaying decisions: `compared`, `mismatches` and `left_out` count decisions."""

    day: date  # of several days together the last one
    feature_set: str
    compared: int
    mismatches: int
    left_out: int
    reasons: dict[str, int]  # why decisions were left out
    first: tuple[Mismatch, ...]  # some of the earliest

    @property
    def holds(self) -> bool:
        """Whether every value of every decision was equal."""
        return self.mismatches == 0


def verdict(lake: Lake, day: date) -> Verdict:
    """Replay the decisions of a business day, of test mode and of live mode, each by itself."""
    compared, wrong = 0, 0
    reasons: Counter[str] = Counter()
    first: list[Mismatch] = []
    for livemode in (False, True):
        decisions(lake, day, livemode=livemode)
        (count,) = lake.rows("SELECT count(*) FROM parity_decisions WHERE left_out IS NULL")
        compared += int(count[0])
        reasons.update(dict(lake.rows(_LEFT_OUT)))
        unequal, shown = _differences(lake, livemode=livemode)
        wrong += unequal
        first += shown
        forget(lake)
    return Verdict(
        day=day,
        feature_set=feature_set_hash(),
        compared=compared,
        mismatches=wrong,
        left_out=reasons.total(),
        reasons=dict(reasons),
        first=tuple(first[:SHOWN]),
    )


def _differences(lake: Lake, *, livemode: bool) -> tuple[int, list[Mismatch]]:
    """How many decisions differ, and the first values that do."""
    replay(lake, livemode=livemode)
    names = [feature.name for feature in FEATURES]
    lake.execute(
        f"CREATE OR REPLACE TEMP TABLE parity_unequal AS {sql_text('parity_differences')}",
        names=names,
    )
    (found,) = lake.rows("SELECT count(DISTINCT payment_id) FROM parity_unequal")
    shown = [Mismatch(*row) for row in lake.rows(_FIRST, shown=SHOWN)]
    wrong = int(found[0])
    for mismatch in _other_vectors(lake):
        wrong += 1
        if len(shown) < SHOWN:
            shown.append(mismatch)
    return wrong, shown


def _other_vectors(lake: Lake) -> Iterator[Mismatch]:
    """Decisions whose aggregates are equal, and whose finished vector is not."""
    rows = lake.connection.execute(_FINISHED)
    names = [feature.name for feature in FEATURES]
    while chunk := rows.fetchmany(_CHUNK):
        for payment_id, served, *facts in chunk:
            payment = PaymentFacts(*facts[:_FACTS])
            replayed = vector_hash(finish(dict(zip(names, facts[_FACTS:], strict=True)), payment))
            if served != replayed:
                yield Mismatch(payment_id, "vector", served, replayed)


def store(warehouse: Warehouse, found: Verdict) -> None:
    """Keep the verdict of a day, in place of an earlier one."""
    first = found.first[0] if found.first else Mismatch(None, None, None, None)

    def body(lake: Lake) -> None:
        lake.execute("DELETE FROM fraud_parity WHERE day = $day", day=found.day)
        lake.execute(
            "INSERT INTO fraud_parity VALUES ($day, $feature_set, $compared, $mismatches,"
            " $left_out, $reasons, $payment_id, $feature, $served, $replayed)",
            **{name: getattr(found, name) for name in _COUNTS},
            **msgspec.structs.asdict(first),
            reasons=msgspec.json.encode(found.reasons).decode(),
        )

    warehouse.transaction(body)


def newest(lake: Lake) -> Verdict | None:
    """The verdicts on today's feature set of the last week that there are, as one; None without
    any."""
    rows = lake.rows(_NEWEST, feature_set=feature_set_hash(), days=_RECENT_DAYS)
    if not rows:
        return None
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons.update(msgspec.json.decode(row[5]))
    return Verdict(
        day=rows[0][0],
        feature_set=rows[0][1],
        compared=sum(row[2] for row in rows),
        mismatches=sum(row[3] for row in rows),
        left_out=sum(row[4] for row in rows),
        reasons=dict(reasons),
        first=tuple(Mismatch(*row[6:]) for row in rows if row[3]),
    )


_LEFT_OUT: Final = """
SELECT left_out, count(*) FROM parity_decisions WHERE left_out IS NOT NULL GROUP BY left_out
"""
_FIRST: Final = """
SELECT payment_id, feature, served, replayed FROM parity_unequal
ORDER BY at_us NULLS FIRST, payment_id, place LIMIT $shown
"""
_FACTS: Final = len(PaymentFacts.__struct_fields__)
_FINISHED: Final = """
SELECT
    seen.payment_id, seen.vector_hash, event.at_us, amount_minor, method, currency,
    customer_key IS NOT NULL, device_key IS NOT NULL, ip_key IS NOT NULL,
    again.* EXCLUDE (number, replayed)
FROM parity_compared AS seen
INNER JOIN parity_replayed AS again USING (number)
INNER JOIN parity_payments AS event USING (payment_id)
WHERE payment_id NOT IN (SELECT payment_id FROM parity_unequal)
"""
_COUNTS: Final = ("day", "feature_set", "compared", "mismatches", "left_out")
_NEWEST: Final = """
SELECT * FROM fraud_parity
WHERE feature_set = $feature_set AND day > (SELECT max(day) FROM fraud_parity) - $days::INTEGER
ORDER BY day DESC
"""
