"""What a kind of rail can do, and what its codes mean, from the table in `codes.yaml`."""

from datetime import date
from functools import cache
from importlib import resources
from typing import Final, Literal

import msgspec
import yaml
from msgspec import Struct

from online.rails.domain import NextAction, Operation, Outcome, OutcomeKind

Dialect = Literal["upi", "card", "payout"]
Class = Literal["business", "technical", "unknown", "deemed"]
NEWEST: Final = date.max  # for who asks about a code and no day


class Meaning(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"class_": "class"}
):
    """One row of the table, and India's days on which it holds."""

    class_: Class
    decline_code: str
    retryable: bool
    terminal: bool
    message: str
    valid_from: date = date.min
    valid_to: date = date.max

    def holds(self, on: date) -> bool:
        return self.valid_from <= on <= self.valid_to


_PAYOUTS: Final = frozenset({Operation.PAYOUT})
_MANDATES: Final = frozenset({Operation.MANDATE, Operation.MANDATE_REVOKE})
CAPABILITIES: Final[dict[Dialect, frozenset[Operation]]] = {
    "upi": frozenset(Operation) - _PAYOUTS,
    "card": frozenset(Operation) - _PAYOUTS - _MANDATES,
    "payout": _PAYOUTS,
}
_SAID: Final[tuple[tuple[OutcomeKind, Class, str, str], ...]] = (
    (OutcomeKind.DECLINED, "business", "generic_decline", "The payment was declined"),
    (OutcomeKind.FAILED, "technical", "processing_error", "The rail had an error"),
    (OutcomeKind.PENDING, "unknown", "processing", "The payment is being processed"),
    (OutcomeKind.UNKNOWN, "unknown", "no_answer", "The outcome is not known"),
)
# For codes that nobody has told us about; the rail's own status then decides alone.
_UNLISTED: Final = {
    kind: Meaning(
        class_=class_,
        decline_code=decline_code,
        retryable=class_ == "technical",
        terminal=class_ != "unknown",
        message=message,
    )
    for kind, class_, decline_code, message in _SAID
}
_APPROVED: Final = "approved"  # what the codes of a yes stand for: of a no they say nothing
_KEPT: Final = 40  # characters of a code that we do not know


@cache
def table() -> dict[str, dict[str, tuple[Meaning, ...]]]:
    """By dialect and code: its rows, one after the other in time."""
    text = resources.files(__package__).joinpath("codes.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, dict[str, tuple[Meaning, ...]]])


def meaning(dialect: Dialect, code: str, on: date = NEWEST) -> Meaning | None:
    """What the code means on that day."""
    codes = table()
    rows = codes[dialect].get(code) or codes["any"].get(code) or ()
    return next((row for row in rows if row.holds(on)), None)


def read_outcome(
    dialect: Dialect,
    status: OutcomeKind,
    code: str,
    *,
    message: str = "",
    rail_reference: str | None = None,
    network_reference: str | None = None,
    auth_code: str | None = None,
    next_action: NextAction | None = None,
    on: date = NEWEST,
) -> Outcome:
    """The rail's status and code together, as they are to be read on that day. A code that means
    "it may have happened" outweighs a status that says it did not; a business code is never sent
    to another route.
    """
    known = meaning(dialect, code, on)
    if known is not None and known.decline_code == _APPROVED:
        known = None
    kind = _kind(status, known)
    if kind is OutcomeKind.APPROVED:
        decline_code, text, retryable = None, message or "Approved", False
    else:
        row = known if known is not None else _UNLISTED[kind]
        decline_code = None if kind is OutcomeKind.PENDING else row.decline_code
        text, retryable = row.message, row.retryable
    return Outcome(
        kind=kind,
        code=code[:_KEPT],
        message=text,
        rail_reference=rail_reference,
        network_reference=network_reference,
        auth_code=auth_code,
        decline_code=decline_code,
        retryable=retryable,
        next_action=next_action,
    )


def _kind(status: OutcomeKind, known: Meaning | None) -> OutcomeKind:
    if known is None or status is OutcomeKind.APPROVED:
        return status
    match known.class_:
        case "deemed":
            return OutcomeKind.DEEMED
        case "unknown" if status is not OutcomeKind.PENDING:
            return OutcomeKind.UNKNOWN
        case "business" if status is OutcomeKind.FAILED:
            return OutcomeKind.DECLINED
        case _:
            return status


def own_outcome(kind: OutcomeKind, code: str) -> Outcome:
    """For what happens before or instead of an answer; `code` is a row of `any`."""
    (row,) = table()["any"][code]
    return Outcome(
        kind=kind,
        code=code,
        message=row.message,
        decline_code=row.decline_code,
        retryable=row.retryable,
    )
