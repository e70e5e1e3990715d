"""A statement of any format goes into the lake whole, once, or not at all."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tests.unit.warehouse.bank_files.writers import Account, Entry, bai2, camt, mt940, ofx
from tests.unit.warehouse.books import receive
from warehouse.connection import Warehouse

DAY = date(2024, 2, 29)
ENTRIES = (
    Entry(120_000_00, DAY, DAY, "412345678901", "UPI SETTLEMENT"),
    Entry(-1, date(2024, 3, 1), DAY, "FEE1", "CHARGES"),
)
ACCOUNT = Account("50200012345678", "INR", 5_00, ENTRIES)


@pytest.mark.parametrize("write", [mt940, camt, bai2, ofx])
def test_a_statement_is_loaded_once_or_quarantined_whole(
    write: Callable[..., str], warehouse: Warehouse, tmp_path: Path
) -> None:
    text = write(ACCOUNT)
    loaded = receive(warehouse, tmp_path, "a", text.encode())
    assert (loaded.status, loaded.row_count, loaded.problems) == ("loaded", 2, [])
    assert DAY in loaded.days
    rows = warehouse.rows(
        "SELECT account, currency, amount_minor, booking_date, reference FROM raw_bank_lines"
    )
    assert sorted(rows, key=lambda row: -row[2]) == [
        ("50200012345678", "INR", 12_000_000, DAY, "412345678901"),
        ("50200012345678", "INR", -1, DAY, "FEE1"),
    ]
    assert receive(warehouse, tmp_path, "b", text.encode()).status == "duplicate"
    damaged = text.replace("FEE1", "FEE2").replace("12000", "1200x")
    assert receive(warehouse, tmp_path, "c", damaged.encode()).status == "quarantined"
    assert warehouse.count("raw_bank_lines") == 2
