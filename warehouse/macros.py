"""Functions that the lake's SQL has beside DuckDB's own.

Belongs here: their text. Does not: who opens a connection (`connection.py`).

`typeid('pay', id)` writes an id as the outside knows it, `uuid_of('pay_…')` reads one back
(`online.kernel.ids`). Written out letter by letter: lists would cost six times as much.
`midnight(day)` is the instant at which a business day begins, `moment(instant, day)` an entry's own
within the day that it counts for, `bps_of(amount, bps)` a share, rounded half to even
(`online.kernel.money`). `is_memo(kind)`: rows between people, of which no rail owes us anything.
"""

from typing import Final

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
_LETTERS: Final = 26
# Money that people send each other: in the books as a memo, in the switch's own file of it.
MEMO: Final = ("p2p", "p2p_return")
_MIDDLE: Final = 13  # the letter that has the last bit of the first half and four of the second

_MOMENT: Final = (
    "least(greatest(instant, midnight(day)), midnight(day + 1) - INTERVAL 1 MICROSECOND)"
)
# Of amounts that are not negative. 5,000 over is a tie: it goes to the even neighbour.
_BPS_OF: Final = (
    "((amount::HUGEINT * bps) // 10000 + (CASE"
    " WHEN (amount::HUGEINT * bps) % 10000 > 5000 THEN 1"
    " WHEN (amount::HUGEINT * bps) % 10000 = 5000 THEN ((amount::HUGEINT * bps) // 10000) % 2"
    " ELSE 0 END))::BIGINT"
)


def _shift(place: int) -> int:
    """How far from the right of its half the five bits of a letter stand."""
    return 61 - 5 * place if place <= _MIDDLE else 60 - 5 * (place - _MIDDLE)


def _letter(bits: str) -> str:
    return f"substr('{_ALPHABET}', 1 + ({bits})::INTEGER, 1)"


def _bits(place: int) -> str:
    """The bits that the letter stands for, of a text that ends with its 26 letters."""
    return f"(strpos('{_ALPHABET}', text[{place - _LETTERS}]) - 1)::UBIGINT"


def _written() -> str:
    first = [f"({{high}} >> {_shift(place)}) & 31" for place in range(_MIDDLE)]
    middle = "(({high} & 1) << 4) | ({low} >> 60)"
    last = [f"({{low}} >> {_shift(place)}) & 31" for place in range(_MIDDLE + 1, _LETTERS)]
    return " || ".join(map(_letter, [*first, middle, *last])).format(high="high", low="low")


def _read() -> tuple[str, str]:
    high = [f"({_bits(place)} << {_shift(place)})" for place in range(_MIDDLE)]
    low = [f"({_bits(place)} << {_shift(place)})" for place in range(_MIDDLE + 1, _LETTERS)]
    middle = _bits(_MIDDLE)
    return " + ".join([*high, f"({middle} >> 4)"]), " + ".join([f"(({middle} & 15) << 60)", *low])


def statements() -> tuple[str, ...]:
    """What defines the functions on a connection."""
    digits = "replace(id::VARCHAR, '-', '')"
    halves = ", ".join(f"('0x' || substr({digits}, {at}, 16))::UBIGINT" for at in (1, 17))
    high, low = (f"lpad(hex({half}), 16, '0')" for half in _read())
    macros = {
        "typeid_of(prefix, high, low)": f"prefix || '_' || {_written()}",
        "typeid(prefix, id)": f"typeid_of(prefix, {halves})",
        "uuid_of(text)": f"({high} || {low})::UUID",
        "midnight(day)": "(day::DATE)::TIMESTAMPTZ - INTERVAL 330 MINUTE",
        "moment(instant, day)": _MOMENT,
        "bps_of(amount, bps)": _BPS_OF,
        "is_memo(kind)": f"coalesce(kind IN ({', '.join(map(repr, MEMO))}), false)",
    }
    return tuple(f"CREATE OR REPLACE TEMP MACRO {name} AS {body}" for name, body in macros.items())
