"""Any amount written any way that banks write it comes back to the unit, or not at all."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from online.kernel.money import exponent, format_minor
from tests.unit.warehouse.bank_files.test_csv_banks import FILES
from tests.unit.warehouse.bank_files.test_csv_rails import ADYEN, CASHFREE, RAZORPAY, STRIPE
from warehouse.bank_files.csv_cells import Cells
from warehouse.bank_files.csv_rows import Reader
from warehouse.bank_files.parse import parse
from warehouse.bank_files.values import Problems

_HEADER = "Date,Description,Ref No.,Debit,Credit,Balance"


def _lakhs(text: str) -> str:
    """1234567.89 → 12,34,567.89"""
    sign = "-" if text.startswith("-") else ""
    whole, point, rest = text.removeprefix("-").partition(".")
    head, tail = whole[:-3], whole[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return f"{sign}{','.join([*groups, tail])}{point}{rest}"


def _thousands(text: str) -> str:
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    whole, point, rest = digits.partition(".")
    return f"{sign}{int(whole):,}{point}{rest}"


WRITTEN = st.sampled_from(
    [
        str,
        _lakhs,
        _thousands,
        lambda text: f" Rs. {text} ",
        lambda text: f"\u20b9{_lakhs(text)}",
        lambda text: f'="{text}"',
        lambda text: f"{text}00" if "." in text else f"{text}.00",
        lambda text: text.rstrip("0").rstrip(".") if "." in text else text,
        lambda text: f"\u00a0{text}\u00a0",
    ]
)


def _read(text: str, currency: str) -> tuple[int | None, bool]:
    problems = Problems()
    cells = Cells(pl.Series([1]), problems)
    amounts = cells.amounts(pl.Series([text]), pl.Series([currency]), "Amount")
    return amounts[0], bool(problems.found)


@settings(max_examples=400, deadline=None)
@given(
    st.integers(-(2**60), 2**60),
    st.sampled_from(["INR", "USD", "JPY", "KWD", "CLF"]),
    WRITTEN,
)
def test_an_amount_round_trips(minor: int, currency: str, write: object) -> None:
    assert callable(write)
    assume(not (minor < 0 and "Rs" in write("1.00")))
    text = write(format_minor(minor, currency))
    assume("-\u20b9" not in text)
    assert _read(text, currency) == (minor, False)


@settings(max_examples=600, deadline=None)
@given(st.text(alphabet='0123456789.,-+eE RsINR\u20b9()="crdrCD\u0664', max_size=14))
def test_no_text_is_read_as_another_amount(text: str) -> None:
    """What is read is what a person reads: digits and one point, groups of two or three."""
    amount, complained = _read(text, "INR")
    stripped = text.strip()
    if stripped.startswith('="') and stripped.endswith('"'):
        stripped = stripped[2:-1].strip()
    if amount is None:
        assert complained or stripped in ("", "-", "--")
        return
    lowered = stripped.lower()
    side = -1 if lowered.rstrip(".) ").endswith("dr") else 1
    for word in ("rs.", "rs", "inr", "\u20b9", "cr", "dr", "(", ")", ",", " "):
        lowered = lowered.replace(word, "")
    lowered = lowered.rstrip(".") if lowered.count(".") > 1 else lowered
    assert amount == side * int(Decimal(lowered).scaleb(exponent("INR")))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(-(10**14), 10**14),
    st.lists(st.integers(-(10**13), 10**13).filter(bool), min_size=1, max_size=12),
    st.booleans(),
    st.data(),
)
def test_a_statement_round_trips_and_one_wrong_digit_shows(
    opening: int, amounts: list[int], newest_first: bool, data: st.DataObject
) -> None:
    rows, balance = [], opening
    for day, amount in enumerate(amounts, start=1):
        balance += amount
        shown = format_minor(abs(amount), "INR")
        sides = ("", shown) if amount > 0 else (shown, "")
        rows.append([f"{day:02}/01/2024", "X", "", *sides, format_minor(balance, "INR")])
    if newest_first:
        rows.reverse()

    def file(rows: list[list[str]]) -> bytes:
        return "\n".join([_HEADER, *(",".join(row) for row in rows)]).encode()

    read = parse(file(rows), "x")
    assert read.problems == []
    (statement,) = read.statements
    assert (statement.opening_minor, statement.closing_minor) == (opening, balance)
    lines = [line.amount_minor for line in statement.lines]
    assert lines == (amounts[::-1] if newest_first else amounts)
    if len(rows) > 2:
        at = data.draw(st.integers(1, len(rows) - 2))
        side = 4 if rows[at][4] else 3
        rows[at][side] = format_minor(int(rows[at][side].replace(".", "")) + 1, "INR")
        assert parse(file(rows), "x").problems


def _damaged(good: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, put in cuts:
        start = at % (len(good) + 1)
        good = good[:start] + put + good[start + length :]
    return good


GOOD = st.sampled_from(
    [*(fixture[0] for fixture in FILES.values()), RAZORPAY, ADYEN, STRIPE, CASHFREE]
)
CUTS = st.lists(
    st.tuples(
        st.integers(0, 3_000),
        st.integers(0, 9),
        st.binary(max_size=4) | st.sampled_from([b"\n", b'"', b",", b"\r", b'""', b'="', b"\r\n"]),
    ),
    max_size=3,
)


@settings(max_examples=400, deadline=None)
@given(GOOD, CUTS)
def test_damage_is_seen_or_harmless(good: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    """No damage raises, and nothing without problems fails to add up."""
    file = parse(_damaged(good, cuts), "x.csv")
    for row in file.rail_rows:
        assert row.gross_minor - row.fee_minor - row.tax_minor == row.net_minor
    if not file.problems:
        for statement in file.statements:
            if statement.opening_minor is not None:
                assert statement.closing_minor is not None
                moved = sum(line.amount_minor for line in statement.lines)
                assert statement.opening_minor + moved == statement.closing_minor


@settings(max_examples=400, deadline=None)
@given(GOOD, CUTS)
def test_many_rows_at_once_are_read_as_row_by_row(
    good: bytes, cuts: list[tuple[int, int, bytes]]
) -> None:
    data = _damaged(good, cuts)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Reader, "_quickly", lambda self, part: None)
        exactly = parse(data, "x.csv")
    assert parse(data, "x.csv") == exactly
