"""UPI transaction ids: what the switch knows an operation of ours by.

NPCI: exactly 35 letters and digits, made by whoever begins the transaction; the central system
refuses any other character since 1 February 2025. The first three are the originator's own.
"""

from typing import Final
from uuid import UUID

from online.kernel import ids

ORIGINATOR: Final = "KHT"


def transaction_id(attempt_id: UUID) -> str:
    """Of one attempt: the same whenever it is asked for, and of no other."""
    return ORIGINATOR + attempt_id.hex.upper()


def of_reference(reference: str) -> str:
    """The same by the attempt's TypeID."""
    return transaction_id(ids.decode("att", reference))


def of(method: str | None, attempt_id: UUID | None) -> str | None:
    """For whoever shows an operation; none of a method that has no such ids."""
    return transaction_id(attempt_id) if method == "upi" and attempt_id else None


def rrn(method: str | None, rail_reference: str | None) -> str | None:
    """The retrieval reference number, twelve digits: unique with its day and direction alone."""
    return rail_reference if method == "upi" else None
