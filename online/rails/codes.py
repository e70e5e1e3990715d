"""What a kind of rail can do, and what its codes mean, from the table in `codes.yaml`."""

from functools import cache
from importlib import resources
from typing import Final, Literal

import msgspec
import yaml
from msgspec import Struct

from online.rails.domain import NextAction, Operation, Outcome, OutcomeKind

Dialect = Literal["upi", "card", "payout"]
Class = Literal["business", "technical", "unknown"]


class Meaning(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One row of the table."""

    class_: Class
    decline_code: str
    retryable: bool
    message: str


_PAYOUTS: Final = frozenset({Operation.PAYOUT})
CAPABILITIES: Final[dict[Dialect, frozenset[Operation]]] = {
    "upi": frozenset(Operation) - _PAYOUTS,
    "card": frozenset(Operation) - _PAYOUTS,
    "payout": _PAYOUTS,
}
# For codes that nobody has told us about; the rail's own status then decides alone.
_UNLISTED: Final = {
    OutcomeKind.DECLINED: Meaning("business", "generic_decline", False, "The payment was declined"),
    OutcomeKind.FAILED: Meaning("technical", "processing_error", True, "The rail had an error"),
    OutcomeKind.PENDING: Meaning("unknown", "processing", False, "The payment is being processed"),
    OutcomeKind.UNKNOWN: Meaning("unknown", "no_answer", False, "The outcome is not known"),
}
_KEPT: Final = 40  # characters of a code that we do not know


@cache
def table() -> dict[str, dict[str, Meaning]]:
    text = resources.files(__package__).joinpath("codes.yaml").read_text(encoding="utf-8")
    return msgspec.convert(yaml.safe_load(text), dict[str, dict[str, Meaning]])


def meaning(dialect: Dialect, code: str) -> Meaning | None:
    codes = table()
    return codes[dialect].get(code) or codes["any"].get(code)


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
) -> Outcome:
    """The rail's status and code together. A code that means "it may have happened" outweighs
    a status that says it did not; a business code is never sent to another route.
    """
    known = meaning(dialect, code)
    kind = status
    if known is not None and status is not OutcomeKind.APPROVED:
        if known.class_ == "unknown" and status is not OutcomeKind.PENDING:
            kind = OutcomeKind.UNKNOWN
        elif known.class_ == "business" and status is OutcomeKind.FAILED and code != "00":
            kind = OutcomeKind.DECLINED
    if kind is OutcomeKind.APPROVED:
        decline_code, text, retryable = None, message or "Approved", False
    else:
        row = known if known is not None and code != "00" else _UNLISTED[kind]
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


def own_outcome(kind: OutcomeKind, code: str) -> Outcome:
    """For what happens before or instead of an answer; `code` is a row of `any`."""
    row = table()["any"][code]
    return Outcome(
        kind=kind,
        code=code,
        message=row.message,
        decline_code=row.decline_code,
        retryable=row.retryable,
    )
