"""What a card is: its number, its network, its dates. Pure, and silent about the number."""

import re
from datetime import date
from typing import Final, Literal
from uuid import UUID

from msgspec import Struct

from online.kernel.errors import InvalidRequest

_PAN: Final = re.compile(r"[0-9]{12,19}")
_FARTHEST_YEARS: Final = 20

Kind = Literal["card", "network_token"]

# First digits → network; the longest prefix wins. RuPay shares 60, 65, 81, 82 with others abroad.
_NETWORKS: Final[tuple[tuple[range, int, str], ...]] = (
    (range(508, 509), 3, "rupay"),
    (range(60, 61), 2, "rupay"),
    (range(65, 66), 2, "rupay"),
    (range(81, 83), 2, "rupay"),
    (range(4, 5), 1, "visa"),
    (range(51, 56), 2, "mastercard"),
    (range(2221, 2721), 4, "mastercard"),
    (range(34, 35), 2, "amex"),
    (range(37, 38), 2, "amex"),
    (range(36, 37), 2, "diners"),
    (range(300, 306), 3, "diners"),
    (range(3528, 3590), 4, "jcb"),
    (range(50, 51), 2, "maestro"),
    (range(56, 59), 2, "maestro"),
)
_LENGTHS: Final = {
    "visa": {13, 16, 19},
    "mastercard": {16},
    "amex": {15},
    "diners": {14, 16, 19},
    "jcb": {16, 17, 18, 19},
    "rupay": {16},
}

# How sure the network is of the payer: fully, attempted, not (Mastercard: 06 exempt, too).
_ECI_USUAL: Final = ("05", "06", "07")
_ECI: Final = dict.fromkeys(("mastercard", "maestro"), ("02", "01", "00", "06"))


class CardSecret:
    """Text of a card that does not print, pickle, encode or compare by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __reduce__(self) -> str:
        raise TypeError("a card's secret is not pickled")


class Pan(CardSecret):
    """A card number, or the number that a network gave in its place."""

    __slots__ = ()

    @property
    def first6(self) -> str:
        return self._text[:6]

    @property
    def last4(self) -> str:
        return self._text[-4:]


class SecurityCode(CardSecret):
    """Three digits, four for Amex: passed on with one payment, never kept."""

    __slots__ = ()


class Cryptogram(CardSecret):
    """What proves a network token for one payment."""

    __slots__ = ()


class Vpa(CardSecret):
    """A payer's UPI address, for the moment a rail needs it."""

    __slots__ = ()


class Card(Struct, frozen=True, kw_only=True):
    """A card in the clear, for the moment a rail needs it."""

    pan: Pan
    exp_month: int
    exp_year: int

    def __repr__(self) -> str:
        return "Card(…)"


class CardToken(Struct, frozen=True, kw_only=True):
    """What may be shown and stored outside: never enough to pay with."""

    id: UUID
    merchant_id: UUID
    fingerprint: str
    first6: str
    last4: str
    exp_month: int
    exp_year: int
    network: str
    livemode: bool
    kind: Kind = "card"
    # What the BIN says; None: nobody lists it.
    funding: str | None = None
    issuer: str | None = None
    country: str | None = None
    category: str | None = None

    @property
    def mask(self) -> str:
        return f"{self.network} •••• {self.last4}"


def read_pan(text: str) -> Pan:
    """The number, spaces and hyphens allowed; `InvalidRequest` never repeats it."""
    digits = text.replace(" ", "").replace("-", "")
    if not _PAN.fullmatch(digits):
        raise InvalidRequest("a card number has 12 to 19 digits", param="number")
    lengths = _LENGTHS.get(network_of(digits))
    if lengths is not None and len(digits) not in lengths:
        raise InvalidRequest("the card number has the wrong length", param="number")
    if not luhn(digits):
        raise InvalidRequest("the card number's check digit is wrong", param="number")
    return Pan(digits)


def check_expiry(month: int, year: int, today: date) -> None:
    """A card is good to the end of its month."""
    if not 1 <= month <= 12:
        raise InvalidRequest("a month is 1 to 12", param="exp_month")
    if year < 2000 or year > today.year + _FARTHEST_YEARS:
        raise InvalidRequest("a year has four digits and is not far away", param="exp_year")
    if (year, month) < (today.year, today.month):
        raise InvalidRequest(
            "the card has expired", param="exp_year" if year < today.year else "exp_month"
        )


def check_cvc(cvc: str | None, network: str, *, param: str = "cvc") -> None:
    """Only its shape: it is never stored, and nobody here can tell whether it is right."""
    if cvc is None:
        return
    digits = 4 if network == "amex" else 3
    if not (cvc.isascii() and cvc.isdecimal() and len(cvc) == digits):
        raise InvalidRequest(f"the security code has {digits} digits", param=param)


def check_proof(
    kind: str, network: str, *, cryptogram: str | None, eci: str | None, param: str
) -> None:
    """A network token is paid with by a cryptogram, a card without one. `param` is the path of
    the object that carries both.
    """
    if kind != "network_token":
        for name, value in (("cryptogram", cryptogram), ("eci", eci)):
            if value is not None:
                raise InvalidRequest(
                    "belongs to a network token, and this token is a card", f"{param}.{name}"
                )
        return
    if cryptogram is None:
        raise InvalidRequest("a network token is paid with by a cryptogram", f"{param}.cryptogram")
    fitting = _ECI.get(network, _ECI_USUAL)
    if eci is not None and eci not in fitting:
        raise InvalidRequest(f"for {network} it is one of {', '.join(fitting)}", f"{param}.eci")


def network_of(digits: str) -> str:
    fitting = [
        (length, name)
        for prefixes, length, name in _NETWORKS
        if digits[:length].isdecimal() and int(digits[:length]) in prefixes
    ]
    return max(fitting)[1] if fitting else "unknown"


def luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
