"""The chart of accounts: codes, normal sides, floors, ceilings, stripes.

Stored sign: debit negative, credit positive. A floor or ceiling applies to the balance on the
account's normal side. Accounts that every payment touches and that have no floor or ceiling are
striped: one sub-account a writer, summed on read, so that writers do not queue on one row.
"""

from collections.abc import Callable
from typing import Final, Literal
from uuid import UUID

import msgspec

from online.kernel import ids

Side = Literal["D", "C"]


class Account(msgspec.Struct, frozen=True):
    """An account by its code; `floor` and `ceiling` take effect when it is opened."""

    code: str
    side: Side
    striped: bool = False
    floor: int | None = None
    ceiling: int | None = None
    merchant_id: UUID | None = None

    def id(self, currency: str, livemode: bool, stripe: int) -> UUID:
        """The same on every machine, so that no look-up is needed to post."""
        return ids.derived("account", self.code, currency, str(livemode), str(stripe))


def _merchant(merchant_id: UUID, name: str, floor: int | None) -> Account:
    code = f"merchant:{ids.encode('mrc', merchant_id)}:{name}"
    return Account(code, "C", floor=floor, merchant_id=merchant_id)


def rail_receivable(rail: str) -> Account:
    return Account(f"rail:{rail}:receivable", "D", striped=True)


def rail_in_transit(rail: str) -> Account:
    return Account(f"rail:{rail}:in_transit", "D")


def bank(name: str) -> Account:
    return Account(f"bank:{name}", "D")


def merchant_pending(merchant_id: UUID, exposure_limit_minor: int = 0) -> Account:
    """May fall below zero, through refunds and disputes, down to the exposure limit."""
    return _merchant(merchant_id, "pending", -exposure_limit_minor)


def merchant_payable(merchant_id: UUID) -> Account:
    return _merchant(merchant_id, "payable", 0)


def merchant_reserve(merchant_id: UUID, tranche: str) -> Account:
    return _merchant(merchant_id, f"reserve:{tranche}", 0)


def merchant_disputed(merchant_id: UUID) -> Account:
    return _merchant(merchant_id, "disputed", 0)


def customer_lite(customer_id: UUID, ceiling: int | None = None) -> Account:
    """What a user's wallet holds. No merchant's: the app that brought them has no claim to it."""
    return Account(f"customer:{ids.encode('cus', customer_id)}:lite", "C", floor=0, ceiling=ceiling)


def merchant_escrow(merchant_id: UUID, escrow: str) -> Account:
    """Set aside until an agreement is met; `escrow` is its TypeID."""
    return _merchant(merchant_id, f"escrow:{escrow}", 0)


def refunds_payable(rail: str) -> Account:
    return Account(f"refunds:{rail}:payable", "C", floor=0)


def payouts_in_transit(rail: str) -> Account:
    return Account(f"payouts:{rail}:in_transit", "C")


def p2p_payer(rail: str) -> Account:
    """Memo: what payers have sent to each other over a rail. None of it is ours."""
    return Account(f"p2p:{rail}:payer", "D", striped=True)


def p2p_payee(rail: str) -> Account:
    return Account(f"p2p:{rail}:payee", "C", striped=True)


def rail_costs(rail: str) -> Account:
    return Account(f"costs:rail:{rail}", "D")


def suspense(source: str) -> Account:
    return Account(f"suspense:{source}", "C")


def writeoff(reason: str) -> Account:
    """What was given up (a debit) or kept (a credit) for a reason of the list."""
    return Account(f"writeoff:{reason}", "D")


FEES_MDR: Final = Account("fees:mdr", "C", striped=True)
FEES_DISPUTE: Final = Account("fees:dispute", "C", striped=True)
TAX_IGST: Final = Account("tax:igst", "C", striped=True)
TAX_CGST: Final = Account("tax:cgst", "C", striped=True)
TAX_SGST: Final = Account("tax:sgst", "C", striped=True)
TAX_TDS: Final = Account("tax:tds", "C", striped=True)
TAX_GST_INPUT: Final = Account("tax:gst:input", "D")
COSTS_TAT: Final = Account("costs:tat", "D")
EQUITY_OPENING: Final = Account("equity:opening", "C")


# What the outside world may move by its files, by the shape of its code.
_OFFLINE: Final[dict[tuple[str, str], Callable[[str], Account]]] = {
    ("rail", "receivable"): rail_receivable,
    ("rail", "in_transit"): rail_in_transit,
    ("payouts", "in_transit"): payouts_in_transit,
    ("refunds", "payable"): refunds_payable,
}
_OFFLINE_WHOLE: Final = {account.code: account for account in (TAX_GST_INPUT, COSTS_TAT)}


def offline_account(code: str) -> Account | None:
    """The account that a bank or rail file may move, or None: never a merchant's own."""
    if code in _OFFLINE_WHOLE:
        return _OFFLINE_WHOLE[code]
    match code.split(":"):
        case ["bank", name]:
            return bank(name)
        case ["costs", "rail", rail]:
            return rail_costs(rail)
        case ["suspense", source]:
            return suspense(source)
        case [head, rail, tail] if (head, tail) in _OFFLINE:
            return _OFFLINE[head, tail](rail)
        case _:
            return None
