"""Faults put into rows of a day's files on purpose, seeded, each on a row of its own.

Belongs here: choosing rows, bending them, and the truth about it, by break kind. Does not: whole
settlements that go wrong (`settlement_faults.py`), how many do (`fault_plans.py`), files and
money; a bent row is settled as it stands, so that the bank pays exactly what its file says.
"""

import random
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Final, Literal

import msgspec

from online.kernel import ids
from online.kernel.clock import IST
from online.sandbox import cycles, numbers
from online.sandbox.rails import RAILS
from online.sandbox.records import Movement, Refused
from online.sandbox.switch_file import Line
from online.sandbox.wire import FileFaults

FaultName = Literal[
    "missing",
    "extra",
    "wrong_amount",
    "duplicate",
    "late",
    "unknown_credit",
    "debit_without_credit",
    "partial_settlement_file",
    "wrong_utr",
    "wrong_status",
]
# The break that a fault has to become; of two, the first is the one it is counted by.
KINDS: Final[dict[FaultName, tuple[str, ...]]] = {
    "missing": ("missing_external",),
    "extra": ("missing_internal",),
    "wrong_amount": ("amount_mismatch",),
    "duplicate": ("duplicate_external",),
    "late": ("timing",),
    "unknown_credit": ("unexpected_credit",),
    "debit_without_credit": ("missing_internal", "reversed_unpaired"),
    "partial_settlement_file": ("missing_external",),
    "wrong_utr": ("missing_external", "unexpected_credit"),
    "wrong_status": ("status_mismatch",),
}
TOLD: Final[dict[FaultName, str]] = {
    "missing": "a payment is in no file",
    "extra": "a row for a payment that nobody made",
    "wrong_amount": "a row has another amount, and the bank pays that",
    "duplicate": "a row stands twice, and the bank pays twice",
    "late": "a UPI row comes two days later",
    "unknown_credit": "money on the account that no rail announced",
    "debit_without_credit": "a UPI payment that was declined is debited all the same, and returned",
    "partial_settlement_file": "a file lacks every third payment; the bank pays all; the whole file"
    " comes with those of the next day, which explains the break",
    "wrong_status": "a transfer between people that was done is said to have failed",
    "wrong_utr": "the file names another UTR than the bank, whose line names no settlement",
}
_RETURNED_AFTER: Final = timedelta(minutes=20)
ANY_RAIL: Final = "*"
ONWARD: Final = frozenset({"PAY", "P2P"})  # money that goes on; all else comes back


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
    resolved_on: date | None = None  # the day whose files explain it; null: the break stands
    settlement_id: str | None = None  # of a file that was cut short


class Order(msgspec.Struct, frozen=True):
    """What is to go wrong in the files of some rails that are closed together."""

    scope: str  # a rail, or `ANY_RAIL` for all that have no order of their own
    rails: frozenset[str]
    faults: FileFaults
    seed: int
    done: dict[str, int] = {}  # by fault: how many an earlier cycle of the day has had
    part: str = ""  # which cycles of the day are closed; none: all

    def rng(self, day: date, about: str = "faults") -> random.Random:
        told = [about, str(self.seed), day.isoformat(), *self._scoped()]
        return random.Random(":".join(told + [self.part] * bool(self.part)))  # noqa: S311 - repeatable

    def named(self, *parts: str) -> tuple[str, ...]:
        """A name that no other order has."""
        return (*parts, *self._scoped())

    def _scoped(self) -> list[str]:
        return [] if self.scope == ANY_RAIL else [self.scope]


class StrayCredit(msgspec.Struct, frozen=True):
    """Money on the bank account that no rail announced."""

    utr: str
    amount_minor: int
    narrative: str
    value_day: date
    bank: str


class Bent(msgspec.Struct, frozen=True):
    """A day's rows after the faults."""

    lines: list[Line]
    left_out: list[str]
    postponed: dict[str, date]
    stray_credits: list[StrayCredit]
    faults: list[Fault]


def line_of(movement: Movement, *, gross_minor: int | None = None) -> Line:
    """The row that a movement should have in its rail's file."""
    # Those stand on the bank's statement.
    assert movement.type != "PAYOUT"
    assert movement.type != "PAYOUT_RETURN"
    amount_minor = movement.amount_minor if gross_minor is None else gross_minor
    return Line(
        rail=movement.rail,
        type=movement.type,
        order_ref=movement.order_ref,
        moved_at=movement.moved_at,
        rrn=movement.rrn,
        network_ref=movement.network_ref,
        gross_minor=amount_minor if movement.type in ONWARD else -amount_minor,
        fee_back_minor=movement.fee_back_minor,
        gst_back_minor=movement.gst_back_minor,
    )


def bend(
    movements: Sequence[Movement], refused: Sequence[Refused], order: Order, day: date, seed: int
) -> Bent:
    """The rows of the order's rails with its faults in them."""
    bent = Bent([], [], {}, [], [])
    rng = order.rng(day)
    chosen = _choose(movements, order.faults, rng)
    duplicates = []
    for movement in movements:
        fault = chosen.get(movement.reference)
        _bend_one(bent, movement, fault, day, rng)
        if fault == "duplicate":
            duplicates.append(line_of(movement))
    bent.lines.extend(duplicates)
    _add_extras(bent, movements, order, day, rng)
    for index in range(order.faults.unknown_credit):
        _add_stray_credit(bent, order, day, (index, seed), rng)
    _add_debited(bent, refused, order, day)
    return bent


def _choose(
    movements: Sequence[Movement], plan: FileFaults, rng: random.Random
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
    chosen: dict[str, FaultName] = dict(zip(others, wanted, strict=False))
    # What is settled to us is settled: only between people may a file deny it.
    people = [m.reference for m in _in_turn(queues) if m.type == "P2P"]
    denied = [each for each in people if each not in postponed and each not in chosen]
    statuses: dict[str, FaultName] = dict.fromkeys(denied[: plan.wrong_status], "wrong_status")
    return {**dict.fromkeys(late, "late"), **chosen, **statuses}


def _queues(movements: Sequence[Movement], rng: random.Random) -> list[list[Movement]]:
    """The payments of each rail in random order; those between people apart."""
    by_file: dict[tuple[str, str], list[Movement]] = {}
    for movement in movements:
        # A row that an earlier day already made late has had its fault.
        if movement.type in ONWARD and movement.bank_day == movement.report_on:
            by_file.setdefault((movement.rail, movement.type), []).append(movement)
    queues = [by_file[name] for name in sorted(by_file)]
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
    elif fault == "wrong_status":
        bent.lines.append(msgspec.structs.replace(line_of(movement), status="FAILED"))
    elif fault == "wrong_amount":
        actual = _wrong(amount_minor, rng)
        bent.lines.append(line_of(movement, gross_minor=actual))
    else:
        bent.lines.append(line_of(movement))
        actual = 2 * amount_minor
    bent.faults.append(
        Fault(
            kind=KINDS[fault][0],
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
    bent: Bent, movements: Sequence[Movement], order: Order, day: date, rng: random.Random
) -> None:
    """Rows for payments that nobody made, spread over the rails that have a file."""
    models = [movement for movement in movements if movement.type in ONWARD]
    places = sorted({(m.rail, m.type) for m in models})
    places = places or [(rail, "PAY") for rail in sorted(order.rails & {"upi_hdfc"})]
    if not places:
        return
    rng.shuffle(places)
    for index in range(order.faults.extra):
        name_of_rail, type_ = places[index % len(places)]
        rail = RAILS[name_of_rail]
        nth = str(index + order.done.get("extra", 0))
        name = order.named("sandbox extra row", str(order.seed), day.isoformat(), nth)
        reference = ids.encode("att", ids.derived(*name))
        noon = datetime.combine(day, time(12), IST)
        moved_at = rng.choice(models).moved_at if models else noon
        line = Line(
            rail=rail.name,
            type="P2P" if type_ == "P2P" else "PAY",
            order_ref=reference,
            moved_at=moved_at,
            rrn=numbers.rail_reference(rail, order.seed, reference, moved_at),
            network_ref=numbers.network_reference(rail, order.seed, reference),
            gross_minor=rng.randint(10_000, 500_000),
        )
        bent.lines.append(line)
        bent.faults.append(_unknown_to_us("extra", line, day))


def _unknown_to_us(name: FaultName, line: Line, day: date, *, place: int = 0) -> Fault:
    """A row that our ledger has nothing of."""
    return Fault(
        kind=KINDS[name][place],
        fault=name,
        bank_day=day,
        reference=line.order_ref,
        rail=line.rail,
        amount_minor=abs(line.gross_minor),
        expected_minor=None,
        actual_minor=line.gross_minor,
        reported_on=day,
    )


def _add_stray_credit(
    bent: Bent, order: Order, day: date, numbered: tuple[int, int], rng: random.Random
) -> None:
    index, seed = numbered
    value_day = day + timedelta(days=1)
    nth = str(index + order.done.get("unknown_credit", 0))
    utr = numbers.stray_utr(seed, value_day, ":".join(order.named(nth)))
    amount_minor = rng.randint(50_000, 900_000)
    narrative = "NEFT CR-UTIB0000123-SHREE BALAJI TRADERS-ADVANCE"
    rail = None if order.scope == ANY_RAIL else order.scope
    bank = RAILS[rail].account if rail else "hdfc"
    bent.stray_credits.append(StrayCredit(utr, amount_minor, narrative, value_day, bank))
    bent.faults.append(
        Fault(
            kind=KINDS["unknown_credit"][0],
            fault="unknown_credit",
            bank_day=value_day,
            reference=utr,
            rail=rail,
            amount_minor=amount_minor,
            expected_minor=None,
            actual_minor=amount_minor,
            reported_on=value_day,
        )
    )


def _add_debited(bent: Bent, refused: Sequence[Refused], order: Order, day: date) -> None:
    """The switch shows the debit of a payment that it refused, and its return a while later."""
    by_chance = sorted(refused, key=lambda each: each.reference)
    order.rng(day, "debited").shuffle(by_chance)
    for each in by_chance[: order.faults.debit_without_credit]:
        debit = Line(
            *(each.rail, "PAY", each.reference, each.at, each.rrn, each.network_ref),
            gross_minor=each.amount_minor,
        )
        returned = Line(
            *(each.rail, "REVERSAL", each.reference),
            moved_at=min(each.at + _RETURNED_AFTER, cycles.end_of(day)),
            rrn=each.rrn,
            network_ref=each.network_ref,
            gross_minor=-each.amount_minor,
            fee_back_minor=debit.fee_minor,
            gst_back_minor=debit.gst_minor,
        )
        for place, line in enumerate((debit, returned)):
            bent.lines.append(line)
            bent.faults.append(_unknown_to_us("debit_without_credit", line, day, place=place))
