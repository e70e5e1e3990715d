"""The simulated rails and the bank accounts they settle into, as data.

Belongs here: names, fees and identifiers of each rail and account. Does not: how a rail decides
(`bank.py`), when it settles (`cycles.py`).
"""

from typing import Final, Literal

import msgspec

Method = Literal["upi", "card", "payout"]


class Rail(msgspec.Struct, frozen=True):
    """One acquiring or payout connection."""

    name: str
    method: Method
    bank_code: str  # four letters, the first part of a UTR
    network_prefix: str  # what its network references start with
    fee_bps: int  # charged to us on each payment, GST on top
    evidence_days: int = 0  # to answer a dispute
    dispute_reason: str = ""  # where nobody names another
    account: str = "hdfc"  # the account that it settles into

    @property
    def settlement_prefix(self) -> str:
        return self.name.replace("_", "").upper()


_RAILS: Final = (
    Rail("upi_hdfc", "upi", "HDFC", "HDF", 50, 3, "108"),
    Rail("upi_icici", "upi", "ICIC", "ICI", 60, 3, "108", account="icici"),
    Rail("card_a", "card", "ACQA", "74", 150, 20, "10.4"),
    Rail("card_b", "card", "ACQB", "75", 170, 20, "10.4"),
    Rail("bank_hdfc", "payout", "HDFC", "", 0),
)
RAILS: Final = {rail.name: rail for rail in _RAILS}

GST_BPS: Final = 1_800
CURRENCY: Final = "INR"


class BankAccount(msgspec.Struct, frozen=True):
    """An account of ours; each has its statement in one format, so that nothing comes twice."""

    bank: str
    number: str
    ifsc: str
    bic: str
    owner: str
    statement: Literal["camt053", "mt940"]


# Each UPI switch pays through its sponsor bank, into the account that we keep there; acquirers
# pay into the first one, and payouts leave from it.
_ACCOUNTS: Final = (
    BankAccount(
        "hdfc", "50200012345678", "HDFC0000240", "HDFCINBBXXXX", "Khata Payments", "camt053"
    ),
    BankAccount("icici", "000405001234", "ICIC0000004", "ICICINBBXXXX", "Khata Payments", "mt940"),
)
ACCOUNTS: Final = {account.bank: account for account in _ACCOUNTS}
