"""Layout files are data, and data is checked when it is read."""

import pytest

from warehouse.bank_files import csv_spec
from warehouse.bank_files.csv_spec import LayoutError, layouts, load, match

GOOD = """
kind: bank
name: csv.test
source: a test
columns: {date: [Date], narrative: [Text], amount: [Amount]}
required: [date, amount]
dates: [DD/MM/YYYY]
"""


@pytest.mark.parametrize("name", sorted(layouts()))
def test_a_layout_is_found_by_its_own_header(name: str) -> None:
    layout = layouts()[name]
    fields = {*layout.required, *(layout.one_of[0] if layout.one_of else [])}
    header = list(dict.fromkeys(layout.columns[f][0] for f in fields if f in layout.columns))
    found = match(header, ",", 1)
    assert found is not None
    assert found.layout.name == layout.name


def test_names_of_columns_are_forgiving_and_nothing_else_is() -> None:
    header = [
        "txn  DATE ",
        "value-date",
        "DESCRIPTION",
        "Ref No/Cheque No",
        "Debit",
        "credit",
        "BALANCE",
    ]
    found = match(header, ",", 1)
    assert found is not None
    assert found.layout.name == "csv.sbi"
    assert match([*header, "Debit (USD)"], ",", 1) is None
    assert match(header[:-1], ",", 1) is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name:", "colour: red\nname:", "unknown field `colour`"),
        ("kind: bank", "kind: shop", "Invalid value 'shop'"),
        ("narrative:", "story:", "no such fields: story"),
        ("required: [date, amount]", "required: [date, debit]", "no columns for debit"),
        ("required: [date, amount]", "required: []", "names no required column"),
        ("dates: [DD/MM/YYYY]", "dates: [DD/MM/YYYY]\nends: ['(']", "unterminated subpattern"),
        ("dates: [DD/MM/YYYY]", "dates: [DD/MM/YYYY]\nstated: {mood: x}", "nothing checks mood"),
        ("dates: [DD/MM/YYYY]", "dates: 7", "Expected `array`"),
        ("dates: [DD/MM/YYYY]", "dates: [DD/QQ/YYYY]", "is not how a date is written"),
        ("kind: bank", "kind: bank\nlike: nothing", "_nothing.yaml"),
        ("kind: bank", "kind: [", "expected"),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(old: str, new: str, message: str) -> None:
    load(GOOD)
    assert old in GOOD
    with pytest.raises(LayoutError) as refused:
        load(GOOD.replace(old, new))
    assert message in str(refused.value)


def test_every_layout_says_where_it_is_from() -> None:
    assert all(layout.source for layout in csv_spec.layouts().values())
