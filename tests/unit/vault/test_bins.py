"""BINs: the longest range that is valid on the day, and nothing invented."""

from datetime import date

import pytest

from online.platform.settings import ROOT
from online.sandbox import magic
from online.vault.bins import Bin, BinTable, load_bins
from online.vault.domain import network_of

TODAY = date(2026, 11, 16)


def row(first: str, last: str | None = None, **fields: object) -> Bin:
    known: dict[str, object] = {
        "network": "visa",
        "funding": "credit",
        "issuer": "Sandbox Bank",
        "country": "IN",
        "category": "classic",
        "valid_from": date(2020, 1, 1),
        "source": "test",
    }
    return Bin(first=first, last=last or first, **known | fields)  # type: ignore[arg-type]


TABLE = BinTable(
    [
        row("4", issuer="Visa's rest"),
        row("424242", "424249", issuer="six"),
        row("42424242", issuer="eight", valid_to=date(2026, 6, 30)),
        row("42424242", issuer="eight, sold", valid_from=date(2026, 7, 1)),
        row("60700000", "60709999", issuer="a range"),
    ]
)


@pytest.mark.parametrize(
    ("digits", "day", "issuer"),
    [
        ("4242424242424242", TODAY, "eight, sold"),
        ("4242424242424242", date(2026, 7, 1), "eight, sold"),
        ("4242424242424242", date(2026, 6, 30), "eight"),
        ("4242424342424242", TODAY, "six"),
        ("4242490000000000", TODAY, "six"),
        ("4242500000000000", TODAY, "Visa's rest"),
        ("4999999999999999", date(2019, 12, 31), None),
        ("6070000000000000", TODAY, "a range"),
        ("6070999999999999", TODAY, "a range"),
        ("6071000000000000", TODAY, None),
        ("5555555555554444", TODAY, None),
        ("4242", TODAY, "Visa's rest"),
    ],
)
def test_look_up(digits: str, day: date, issuer: str | None):
    found = TABLE.find(digits, day)
    assert (found.issuer if found else None) == issuer


@pytest.mark.parametrize(
    "rows",
    [
        [row("42", "424")],
        [row("43", "42")],
        [row("4242", "4250"), row("4249", "4251")],
        [row("4242"), row("4242")],
        [row("4242", valid_to=date(2026, 1, 1)), row("4242", valid_from=date(2026, 1, 1))],
    ],
    ids=["other length", "backwards", "overlap", "twice", "one day twice"],
)
def test_a_table_that_contradicts_itself_is_refused(rows: list[Bin]):
    with pytest.raises(ValueError, match="42"):
        BinTable(rows)


def test_the_shipped_table():
    table = load_bins(ROOT / "config" / "bins.yaml")
    kinds = set()
    for number in magic.CARDS:
        found = table.find(number, TODAY)
        assert found is not None, number
        assert found.network == network_of(number)
    for rows in table._by_length.values():
        for each in rows:
            kinds.add((each.network, each.funding))
            assert "Sandbox" in each.issuer
            assert "Sandbox" in each.source
            assert each.network == network_of(each.first.ljust(16, "0"))
    assert kinds >= {
        *(("rupay", funding) for funding in ("credit", "debit", "prepaid")),
        *(("visa", funding) for funding in ("credit", "debit", "prepaid")),
        *(("mastercard", funding) for funding in ("credit", "debit", "prepaid")),
        ("amex", "credit"),
    }
