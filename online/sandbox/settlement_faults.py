"""Settlements that go wrong as a whole: a file that is cut short, a file that names a wrong UTR.

Belongs here: choosing settlements, what their files show instead, and the truth about it. Does
not: faults of single rows (`faults.py`). The bank pays the settlement as it is.
"""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import msgspec

from online.sandbox import numbers
from online.sandbox.faults import KINDS, Fault, FaultName, Order
from online.sandbox.rails import RAILS
from online.sandbox.switch_file import Line, Settlement

_HELD_BACK: Final = 3  # of a partial file, each third payment


class Shown(msgspec.Struct, frozen=True):
    """A settlement, the file that tells of it, and whether the file is the whole truth."""

    settlement: Settlement
    file: Settlement
    is_partial: bool = False
    is_named: bool = True  # the bank's line gives the names that the file gives


def spoil(
    settlements: Sequence[Settlement], orders: Sequence[Order], bent: set[str], day: date
) -> tuple[list[Shown], list[Fault]]:
    """The settlements as their files show them; rows in `bent` have a fault of their own."""
    shown = {each.settlement_id: Shown(each, each) for each in settlements}
    faults: list[Fault] = []
    for order in orders:
        mine = [each for each in settlements if each.rail in order.rails]
        order.rng(day, "settlements").shuffle(mine)
        partial = [each for each in mine if _may_be_held(each, bent)]
        partial = partial[: order.faults.partial_settlement_file]
        wrong = [each for each in mine if each.net_minor and each not in partial]
        for each in partial:
            shown[each.settlement_id] = _cut_short(each, bent, order.rng(day, each.settlement_id))
            faults += _held_back(shown[each.settlement_id], day)
        for each in wrong[: order.faults.wrong_utr]:
            shown[each.settlement_id] = _misnamed(each, order.seed)
            faults += _wrong_utr(each, day)
    return [shown[each.settlement_id] for each in settlements], faults


def _payments(settlement: Settlement, bent: set[str]) -> list[Line]:
    return [line for line in settlement.lines if line.type == "PAY" and line.order_ref not in bent]


def _may_be_held(settlement: Settlement, bent: set[str]) -> bool:
    """Of a file without any row there would be nothing to correct."""
    return bool(_payments(settlement, bent)) and len(settlement.lines) > 1


def _cut_short(settlement: Settlement, bent: set[str], rng: random.Random) -> Shown:
    payments = _payments(settlement, bent)
    count = min(max(1, len(payments) // _HELD_BACK), len(settlement.lines) - 1)
    held = {line.order_ref for line in rng.sample(payments, count)}
    lines = tuple(line for line in settlement.lines if line.order_ref not in held)
    file = msgspec.structs.replace(settlement, lines=lines)
    return Shown(settlement, file, is_partial=True)


def _held_back(shown: Shown, day: date) -> list[Fault]:
    """They are missing until the file comes again, with the files of the next day."""
    kept = {line.order_ref for line in shown.file.lines}
    held = [line for line in shown.settlement.lines if line.order_ref not in kept]
    next_day = day + timedelta(days=1)
    return [
        Fault(
            kind=KINDS["partial_settlement_file"][0],
            fault="partial_settlement_file",
            bank_day=day,
            reference=line.order_ref,
            rail=line.rail,
            amount_minor=line.gross_minor,
            expected_minor=line.gross_minor,
            actual_minor=None,
            reported_on=next_day,
            resolved_on=next_day,
            settlement_id=shown.settlement.settlement_id,
        )
        for line in held
        if line.type == "PAY"
    ]


def _misnamed(settlement: Settlement, seed: int) -> Shown:
    rail = RAILS[settlement.rail]
    named = settlement.settlement_id, settlement.settled_on
    file = msgspec.structs.replace(settlement, utr=numbers.wrong_utr(rail.bank_code, seed, *named))
    return Shown(settlement, file, is_named=False)


def _wrong_utr(settlement: Settlement, day: date) -> list[Fault]:
    """What was announced never comes, and what comes was never announced."""
    name: FaultName = "wrong_utr"
    told = (
        (settlement.settlement_id, settlement.net_minor, None, day),
        (settlement.utr, None, settlement.net_minor, day + timedelta(days=1)),
    )
    return [
        Fault(
            kind=kind,
            fault=name,
            bank_day=reported_on,
            reference=reference,
            rail=settlement.rail,
            amount_minor=settlement.net_minor,
            expected_minor=expected_minor,
            actual_minor=actual_minor,
            reported_on=reported_on,
        )
        for kind, (reference, expected_minor, actual_minor, reported_on) in zip(
            KINDS[name], told, strict=True
        )
    ]
