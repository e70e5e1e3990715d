"""What offline may post. Pure: a line in, a journal or a refusal out."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel.clock import business_date
from online.kernel.errors import InvalidRequest
from online.ledger.accounts import Account, offline_account
from online.ledger.journal import Journal, Posting, Unbalanced

_RECEIVABLE: Final = "rail:*:receivable"
_IN_TRANSIT: Final = "rail:*:in_transit"
_BANK: Final = "bank:*"
_SUSPENSE: Final = "suspense:*"
_PAYOUTS: Final = "payouts:*:in_transit"

# The accounts of each kind, by the shape of their codes. What is not here is refused.
_OF_FILES: Final[Mapping[str, frozenset[str]]] = {
    "rail_settlement": frozenset({_IN_TRANSIT, "costs:rail:*", "tax:gst:input", _RECEIVABLE}),
    "bank_credit": frozenset({_BANK, _IN_TRANSIT}),
    "bank_debit": frozenset({_PAYOUTS, _BANK}),
}
KINDS: Final[Mapping[str, frozenset[str]]] = {
    **_OF_FILES,
    # What a file that was issued again had said, taken back.
    **{f"{kind}_reversal": accounts for kind, accounts in _OF_FILES.items()},
    "unexpected_credit": frozenset({_BANK, _SUSPENSE}),
    "break_suspense": frozenset({_SUSPENSE, _RECEIVABLE}),
    "bank_break": frozenset({_SUSPENSE, _BANK, _IN_TRANSIT, _PAYOUTS}),
    # Of any of the three above.
    "break_reversal": frozenset({_SUSPENSE, _RECEIVABLE, _BANK, _IN_TRANSIT, _PAYOUTS}),
    "tat_compensation": frozenset({"costs:tat", "refunds:*:payable"}),
}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One leg: `amount_minor` is signed, debit negative."""

    account: str
    currency: str
    amount_minor: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One posting as offline asks for it."""

    cause: UUID
    kind: str
    business_date: date
    reference: str
    metadata: dict[str, Any]
    entries: list[Entry]

    @property
    def key(self) -> tuple[UUID, str]:
        """A cause posts once under a kind."""
        return self.cause, self.kind


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """The rails and banks that there are: a file cannot invent one."""

    rails: frozenset[str]
    banks: frozenset[str]

    def __contains__(self, account: str) -> bool:
        match account.split(":"):
            case ["bank", name]:
                return name in self.banks
            case ["suspense", name]:
                return name == "bank" or name in self.rails
            case ["costs", "rail", name] | ["rail" | "payouts" | "refunds", name, _]:
                return name in self.rails
            case _:
                return account in ("tax:gst:input", "costs:tat")


def shape(code: str) -> str:
    """`rail:upi_hdfc:receivable` → `rail:*:receivable`."""
    match code.split(":"):
        case ["bank" | "suspense" as head, _]:
            return f"{head}:*"
        case ["costs", "rail", _]:
            return "costs:rail:*"
        case ["rail" | "payouts" | "refunds" as head, _, tail]:
            return f"{head}:*:{tail}"
        case _:
            return code


def journal(line: Line, places: Places, *, at: datetime, livemode: bool) -> Journal:
    """The line as a journal; `InvalidRequest` names the field that is wrong."""
    if line.kind not in KINDS:
        raise InvalidRequest(f"offline may post {', '.join(KINDS)}", "kind")
    if line.business_date > business_date(at):
        raise InvalidRequest("must not be in the future", "business_date")
    currencies = {entry.currency for entry in line.entries}
    if len(currencies) != 1:
        raise InvalidRequest("all entries must have one currency", "entries")
    postings = tuple(
        Posting(_account(line.kind, entry, place, places), entry.amount_minor)
        for place, entry in enumerate(line.entries)
    )
    try:
        return Journal(
            cause=line.cause,
            kind=line.kind,
            currency=currencies.pop(),
            postings=postings,
            business_date=line.business_date,
            effective_at=at,
            livemode=livemode,
            reference=line.reference,
            metadata=line.metadata,
        )
    except Unbalanced as error:
        raise InvalidRequest(str(error), "entries") from None


def moved(late: Journal, day: date) -> Journal:
    """The same on another day, the month of its own being closed; it says which day that was."""
    told = {"original_date": late.business_date.isoformat(), **late.metadata}
    return msgspec.structs.replace(late, business_date=day, metadata=told)


def _account(kind: str, entry: Entry, place: int, places: Places) -> Account:
    account = offline_account(entry.account)
    known = account is not None and entry.account in places
    if account is None or not known or shape(entry.account) not in KINDS[kind]:
        raise InvalidRequest(
            f"{kind} may not move {entry.account[:80]!r}", f"entries[{place}].account"
        )
    return account
