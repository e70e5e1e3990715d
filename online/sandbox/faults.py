"""Faults put into a day's files on purpose, seeded, each on a row of its own.

Belongs here: choosing rows, bending them, and the truth about it, by break kind. Does not: files
and money; a bent row is settled as it stands, so that the bank pays exactly what its file says.
"""

import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Literal

import msgspec

from online.kernel import ids
from online.kernel.clock import IST
from online.sandbox import numbers
from online.sandbox.rails import RAILS
from online.sandbox.records import Movement
from online.sandbox.switch_file import Line
from online.sandbox.wire import FaultPlan

FaultName = Literal["missing", "extra", "wrong_amount", "duplicate", "late", "unknown_credit"]
_KIND: dict[FaultName, str] = {
    "missing": "missing_external",
    "extra": "missing_internal",
    "wrong_amount": "amount_mismatch",
    "duplicate": "duplicate_external",
    "late": "timing",
    "unknown_credit": "unexpected_credit",
}


class Fault(msgspec.Struct, frozen=True):
    """One injected fault, as the truth file tells it. Amounts are gross, in minor units."""

    kind: str  # the break it has to become
    fault: FaultName
    bank_day: date
    reference: str  # the attempt; for a stray credit its UTR
    rail: str | None
    amount_minor: int
    expected_minor: int | None  # what the ledger has; null: nothing
    actual_minor: int | None  # what the files have; null: nothing
    reported_on: date | None  # the day whose file shows it


class StrayCredit(msgspec.Struct, frozen=True):
    """Money on the bank account that no rail announced."""

    utr: str
    amount_minor: int
    narrative: str
    value_day: date


class Bent(msgspec.Struct, frozen=True):
    """A day's rows after the faults."""

    lines: list[Line]
    left_out: list[str]
    postponed: dict[str, date]
    stray_credits: list[StrayCredit]
    faults: list[Fault]


def line_of(movement: Movement, *, gross_minor: int | None = None) -> Line:
    """The row that a movement should have in its rail's file."""
    assert movement.type != "PAYOUT"  # those stand on the bank's statement
    amount_minor = movement.amount_minor if gross_minor is None else gross_minor
    return Line(
        rail=movement.rail,
        type=movement.type,
        order_ref=movement.reference,
        moved_at=movement.moved_at,
        rrn=movement.rrn,
        network_ref=movement.network_ref,
        gross_minor=amount_minor if movement.type == "PAY" else -amount_minor,
        fee_back_minor=movement.fee_back_minor,
        gst_back_minor=movement.gst_back_minor,
    )


def bend(movements: Sequence[Movement], plan: FaultPlan | None, day: date, seed: int) -> Bent:
    """The day's rows with the plan's faults in them; without a plan, as they are."""
    bent = Bent([], [], {}, [], [])
    if plan is None:
        bent.lines.extend(line_of(movement) for movement in movements)
        return bent
    rng = random.Random(f"faults:{plan.seed}:{day.isoformat()}")  # noqa: S311 - repeatable
    chosen = _choose(movements, plan, rng)
    duplicates = []
    for movement in movements:
        fault = chosen.get(movement.reference)
        _bend_one(bent, movement, fault, day, rng)
        if fault == "duplicate":
            duplicates.append(line_of(movement))
    bent.lines.extend(duplicates)
    _add_extras(bent, movements, plan, day, rng)
    for index in range(plan.unknown_credit):
        _add_stray_credit(bent, day, index, seed, rng)
    return bent


def _choose(
    movements: Sequence[Movement], plan: FaultPlan, rng: random.Random
) -> dict[str, FaultName]:
    """A fault for each of some payments of the day, taking turns over the rails."""
    queues = _queues(movements, rng)
    # Acquirers take up to three days: of cards, a row two days later would be in time.
    upi = [queue[::-1] for queue in queues if RAILS[queue[0].rail].method == "upi"]
    late = [movement.reference for movement in _in_turn(upi)][: plan.late]
    postponed = set(late)
    others = [m.reference for m in _in_turn(queues) if m.reference not in postponed]
    wanted: list[FaultName] = []
    counts: dict[FaultName, int] = {
        "missing": plan.missing,
        "wrong_amount": plan.wrong_amount,
        "duplicate": plan.duplicate,
    }
    for place in range(max(counts.values())):
        names = [name for name, count in counts.items() if place < count]
        # Each round begins with another fault, so that one kind does not stay with one rail.
        shift = place % len(names)
        wanted += names[shift:] + names[:shift]
    return {**dict.fromkeys(late, "late"), **dict(zip(others, wanted, strict=False))}


def _queues(movements: Sequence[Movement], rng: random.Random) -> list[list[Movement]]:
    """The payments of each rail in random order."""
    by_rail: dict[str, list[Movement]] = {}
    for movement in movements:
        # A row that an earlier day already made late has had its fault.
        if movement.type == "PAY" and movement.bank_day == movement.report_on:
            by_rail.setdefault(movement.rail, []).append(movement)
    queues = [by_rail[rail] for rail in sorted(by_rail)]
    for queue in queues:
        rng.shuffle(queue)
    rng.shuffle(queues)
    return queues


def _in_turn(queues: Sequence[Sequence[Movement]]) -> list[Movement]:
    """The first of each queue, then the second of each, and so on."""
    return [
        queue[place]
        for place in range(max(map(len, queues), default=0))
        for queue in queues
        if place < len(queue)
    ]


def _bend_one(
    bent: Bent, movement: Movement, fault: FaultName | None, day: date, rng: random.Random
) -> None:
    amount_minor = movement.amount_minor
    expected: int | None = amount_minor
    actual: int | None = amount_minor
    reported_on: date | None = day
    if fault is None:
        bent.lines.append(line_of(movement))
        return
    if fault == "missing":
        bent.left_out.append(movement.reference)
        actual, reported_on = None, None
    elif fault == "late":
        reported_on = day + timedelta(days=2)
        bent.postponed[movement.reference] = reported_on
    elif fault == "wrong_amount":
        actual = _wrong(amount_minor, rng)
        bent.lines.append(line_of(movement, gross_minor=actual))
    else:
        bent.lines.append(line_of(movement))
        actual = 2 * amount_minor
    bent.faults.append(
        Fault(
            kind=_KIND[fault],
            fault=fault,
            bank_day=day,
            reference=movement.reference,
            rail=movement.rail,
            amount_minor=amount_minor,
            expected_minor=expected,
            actual_minor=actual,
            reported_on=reported_on,
        )
    )


def _wrong(amount_minor: int, rng: random.Random) -> int:
    """Another amount: one to ten per cent off, at least a rupee, never nothing."""
    off_minor = max(100, amount_minor * rng.randint(1, 10) // 100)
    lower = rng.choice((True, False)) and amount_minor > off_minor
    return amount_minor - off_minor if lower else amount_minor + off_minor


def _add_extras(
    bent: Bent, movements: Sequence[Movement], plan: FaultPlan, day: date, rng: random.Random
) -> None:
    """Rows for payments that nobody made, spread over the rails that have a file."""
    rails = sorted({movement.rail for movement in movements if movement.type == "PAY"})
    rails = rails or ["upi_hdfc"]
    rng.shuffle(rails)
    models = [movement for movement in movements if movement.type == "PAY"]
    for index in range(plan.extra):
        rail = RAILS[rails[index % len(rails)]]
        name = ("sandbox extra row", str(plan.seed), day.isoformat(), str(index))
        reference = ids.encode("att", ids.derived(*name))
        moved_at = rng.choice(models).moved_at if models else datetime.combine(day, time(12), IST)
        line = Line(
            rail=rail.name,
            type="PAY",
            order_ref=reference,
            moved_at=moved_at,
            rrn=numbers.rail_reference(rail, plan.seed, reference, moved_at, 0),
            network_ref=numbers.network_reference(rail, plan.seed, reference),
            gross_minor=rng.randint(10_000, 500_000),
        )
        bent.lines.append(line)
        bent.faults.append(
            Fault(
                kind=_KIND["extra"],
                fault="extra",
                bank_day=day,
                reference=reference,
                rail=rail.name,
                amount_minor=line.gross_minor,
                expected_minor=None,
                actual_minor=line.gross_minor,
                reported_on=day,
            )
        )


def _add_stray_credit(bent: Bent, day: date, index: int, seed: int, rng: random.Random) -> None:
    value_day = day + timedelta(days=1)
    utr = numbers.stray_utr(seed, value_day, index)
    amount_minor = rng.randint(50_000, 900_000)
    narrative = "NEFT CR-UTIB0000123-SHREE BALAJI TRADERS-ADVANCE"
    bent.stray_credits.append(StrayCredit(utr, amount_minor, narrative, value_day))
    bent.faults.append(
        Fault(
            kind=_KIND["unknown_credit"],
            fault="unknown_credit",
            bank_day=value_day,
            reference=utr,
            rail=None,
            amount_minor=amount_minor,
            expected_minor=None,
            actual_minor=amount_minor,
            reported_on=value_day,
        )
    )
