"""Two files about the same thing: what counts, what is said of it, and what is refused."""

import re
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from online.sandbox import camt, switch_file
from tests.unit.warehouse.books import DAY, bank_file, noon, rail_file, rail_line
from warehouse.bank_files.load import LoadResult, load_file
from warehouse.connection import Warehouse

NEXT = DAY + timedelta(days=1)
HDFC = "Date,Narration,Chq./Ref.No.,Value Dt,Withdrawal Amt.,Deposit Amt.,Closing Balance"
Entry = tuple[date, int, str]


def _switch(*amounts: int, day: date = DAY) -> bytes:
    lines = [rail_line(f"att_{amount}", amount, noon(day)) for amount in amounts]
    return switch_file.render(rail_file(lines, day))


def _camt(opening: int, *amounts: int, day: date = DAY) -> bytes:
    entries = [
        camt.StatementEntry("stray", amount, f"UTR{amount}", f"ref{amount}", "SOMEONE")
        for amount in amounts
    ]
    return camt.render(bank_file(day, opening, *entries))


def _hdfc(opening: int, *entries: Entry, account: str = "50100123457788") -> bytes:
    rows, balance = [], opening
    for day, rupees, reference in entries:
        balance += rupees
        sides = f",{rupees}.00" if rupees > 0 else f"{-rupees}.00,"
        told = f"{day:%d/%m/%y}"
        rows.append(f"{told},NEFT-{reference},{reference},{told},{sides},{balance}.00")
    return "\n".join([f"Account No :,{account}", HDFC, *rows, ""]).encode()


class Inbox:
    """Receives files, an hour apart."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        self.folder = folder
        self.at = noon(DAY)

    def receive(self, content: bytes, name: str = "file.csv") -> LoadResult:
        path = self.folder / name
        path.write_bytes(content)
        self.at += timedelta(hours=1)
        return load_file(self.warehouse, path, received_at=self.at)

    def rail(self, *days: date) -> list[int]:
        """Gross amounts that staging shows."""
        return self._staged("stg_rail_rows", "gross_minor", days)

    def bank(self, *days: date) -> list[int]:
        """Amounts of bank lines that staging shows."""
        return self._staged("stg_bank_lines", "amount_minor", days)

    def _staged(self, table: str, column: str, days: tuple[date, ...]) -> list[int]:
        for day in days or (DAY,):
            self.warehouse.replace_day(table, table, day=day)
        return [row[0] for row in self.warehouse.rows(f"SELECT {column} FROM {table} ORDER BY 1")]

    def standings(self) -> list[str]:
        found = self.warehouse.rows("SELECT standing FROM raw_file_parts ORDER BY received_at, 1")
        return [row[0] for row in found]


@pytest.fixture
def inbox(warehouse: Warehouse, tmp_path: Path) -> Inbox:
    return Inbox(warehouse, tmp_path)


def test_a_corrected_settlement_supersedes_the_one_before_and_says_so(inbox: Inbox) -> None:
    first = inbox.receive(_switch(100, 200))
    second = inbox.receive(_switch(100, 250))
    assert (second.status, second.supersedes, second.days) == (
        "loaded",
        [first.file_sha256],
        [DAY],
    )
    assert "superseded" in second.notes[0]
    assert inbox.rail() == [100, 250]
    files = inbox.warehouse.rows(
        "SELECT superseded_by, supersedes, subject FROM raw_bank_files ORDER BY received_at"
    )
    subject = f"rail/upi_hdfc/UPIHDFC{DAY:%Y%m%d}"
    assert files == [
        (second.file_sha256, None, subject),
        (None, first.file_sha256, subject),
    ]


def test_files_of_an_older_lake_are_superseded_as_well(inbox: Inbox) -> None:
    first = inbox.receive(_switch(100, 200))
    inbox.warehouse.execute("DELETE FROM raw_file_parts")
    inbox.warehouse.execute("UPDATE raw_bank_files SET subject = NULL, notes = NULL")
    assert inbox.receive(_switch(100, 250)).supersedes == [first.file_sha256]
    assert inbox.rail() == [100, 250]


def test_a_reissue_to_another_day_stages_both_days_anew(inbox: Inbox) -> None:
    inbox.receive(_switch(100))
    moved = _switch(100).replace(DAY.isoformat().encode(), NEXT.isoformat().encode())
    result = inbox.receive(moved)
    assert result.days == [DAY, NEXT]
    assert inbox.rail(DAY, NEXT) == [100]
    assert inbox.warehouse.rows("SELECT settled_on FROM stg_rail_rows") == [(NEXT,)]


def test_the_same_rows_in_other_bytes_count_once(inbox: Inbox) -> None:
    first = inbox.receive(_switch(100, 200))
    lines = _switch(100, 200).split(b"\r\n")
    shuffled = b"\r\n".join([lines[0], lines[2], lines[1], *lines[3:]])
    again = inbox.receive(shuffled)
    assert (again.status, again.supersedes) == ("loaded", [])
    assert "repeated" in again.notes[0]
    assert first.file_sha256[:12] in again.notes[0]
    assert inbox.rail() == [100, 200]


def test_an_issue_that_was_superseded_does_not_come_back(inbox: Inbox) -> None:
    inbox.receive(_switch(100, 200))
    inbox.receive(_switch(100, 250))
    lines = _switch(100, 200).split(b"\r\n")
    old_again = inbox.receive(b"\r\n".join([lines[0], lines[2], lines[1], *lines[3:]]))
    assert "outdated" in old_again.notes[0]
    assert inbox.rail() == [100, 250]
    assert inbox.receive(_switch(100, 200)).status == "duplicate"
    assert inbox.rail() == [100, 250]


def test_a_report_of_two_settlements_is_corrected_one_by_one(inbox: Inbox) -> None:
    header, *_ = _razorpay()
    both = inbox.receive("\n".join(_razorpay(("s1", 100), ("s1", 200), ("s2", 300))).encode())
    one = inbox.receive("\n".join(_razorpay(("s1", 100), ("s1", 222))).encode())
    assert one.supersedes == [both.file_sha256]
    assert inbox.rail(date(2026, 11, 16)) == [100, 222, 300]
    assert inbox.standings() == ["live", "superseded", "live"]
    # The file still counts for its other settlement.
    still = inbox.warehouse.rows("SELECT superseded_by FROM raw_bank_files ORDER BY received_at")
    assert still == [(None,), (None,)]
    assert header.startswith("entity_id")


def test_a_monthly_report_repeats_what_the_daily_ones_said(inbox: Inbox) -> None:
    inbox.receive("\n".join(_razorpay(("s1", 100))).encode())
    inbox.receive("\n".join(_razorpay(("s1", 100), ("s2", 300))).encode())
    assert inbox.rail(date(2026, 11, 16)) == [100, 300]


def _razorpay(*rows: tuple[str, int]) -> list[str]:
    at = int(datetime.fromisoformat("2026-11-16T10:00:00+05:30").timestamp())
    header = (
        "entity_id,type,debit,credit,amount,currency,fee,tax,settled,settled_at,settlement_id,"
        "settlement_utr"
    )
    return [
        header,
        *(
            f"pay_{amount},payment,0,{amount},{amount},INR,0,0,1,{at},{settlement},utr"
            for settlement, amount in rows
        ),
    ]


# ── bank statements ──────────────────────────────────────────────────────────────────────────


def test_a_corrected_statement_supersedes_the_one_before(inbox: Inbox) -> None:
    first = inbox.receive(_camt(500, 10, 20), "a.xml")
    second = inbox.receive(_camt(500, 10, 25), "a.xml")
    assert second.supersedes == [first.file_sha256]
    assert inbox.bank() == [10, 25]


def test_an_issue_made_before_the_one_that_counts_does_not_win(inbox: Inbox) -> None:
    def made(hour: int, content: bytes) -> bytes:
        told = re.sub(rb"<CreDtTm>[^<]*", b"<CreDtTm>2026-11-17T%02d:00:00+05:30" % hour, content)
        assert told != content
        return told

    inbox.receive(made(9, _camt(500, 10, 25)), "b.xml")
    late = inbox.receive(made(8, _camt(500, 10, 20)), "a.xml")
    assert "outdated" in late.notes[0]
    assert inbox.bank() == [10, 25]
    last = inbox.receive(made(10, _camt(500, 10, 30)), "c.xml")
    assert len(last.supersedes) == 1
    assert inbox.bank() == [10, 30]


def test_a_statement_of_a_longer_period_repeats_its_days(inbox: Inbox) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    week = _hdfc(100, (days[0], 1, "A1"), (days[1], 2, "B2"), (days[2], 3, "C3"))
    inbox.receive(week)
    one = inbox.receive(_hdfc(103, (days[2], 3, "C3")))
    assert "repeated" in one.notes[0]
    assert inbox.bank(*days) == [100, 200, 300]


def test_the_whole_day_supersedes_its_morning(inbox: Inbox) -> None:
    morning = inbox.receive(_hdfc(100, (DAY, 1, "A1"), (DAY, 2, "B2")))
    whole = inbox.receive(_hdfc(100, (DAY, 1, "A1"), (DAY, 2, "B2"), (DAY, 2, "B2")))
    assert whole.supersedes == [morning.file_sha256]
    assert inbox.bank() == [100, 200, 200]


def test_pages_of_a_day_count_together(inbox: Inbox) -> None:
    inbox.receive(_hdfc(100, (DAY, 1, "A1")))
    page = inbox.receive(_hdfc(101, (DAY, 2, "B2")))
    assert (page.status, page.notes) == ("loaded", [])
    assert inbox.bank() == [100, 200]


def test_a_day_that_is_half_known_is_refused_whole(inbox: Inbox) -> None:
    inbox.receive(_hdfc(100, (DAY, 1, "A1"), (DAY, 2, "B2")))
    odd = inbox.receive(_hdfc(77, (DAY, 2, "B2"), (DAY, 9, "X9"), (NEXT, 4, "D4")))
    assert (odd.status, odd.row_count) == ("quarantined", 0)
    (problem,) = odd.problems
    assert problem.value == f"50100123457788/INR/{DAY}"
    assert "2 lines of this day, this file 2, and 1 are the same" in problem.reason
    assert inbox.bank(DAY, NEXT) == [100, 200]
    assert inbox.standings() == ["live"]


def test_accounts_do_not_see_each_other(inbox: Inbox) -> None:
    inbox.receive(_hdfc(100, (DAY, 1, "A1")))
    inbox.receive(_hdfc(100, (DAY, 5, "Z9"), account="99900123457788"))
    assert inbox.bank() == [100, 500]


def test_a_day_that_a_correction_takes_away_goes(inbox: Inbox) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    inbox.receive(_hdfc(100, (days[0], 1, "A1"), (days[1], 2, "B2"), (days[2], 3, "C3")))
    fixed = inbox.receive(_hdfc(100, (days[0], 1, "A1"), (days[2], 3, "C3")))
    assert days[1] in fixed.days
    assert inbox.bank(*days) == [100, 300]
    # Nor does the day come back with the old statement in other bytes.
    old = _hdfc(100, (days[0], 1, "A1"), (days[1], 2, "B2"), (days[2], 3, "C3"))
    again = inbox.receive(old + b"\n")
    assert [note.split()[3] for note in again.notes] == ["repeated,", "outdated,", "repeated,"]
    assert all(fixed.file_sha256[:12] in note or "repeated" in note for note in again.notes)
    assert inbox.bank(*days) == [100, 300]


def test_intraday_reports_never_stand_against_the_statement(inbox: Inbox) -> None:
    report = _camt(500, 10).replace(b"BkToCstmrStmt", b"BkToCstmrAcctRpt")
    report = report.replace(b"Stmt>", b"Rpt>").replace(b"camt.053", b"camt.052")
    announced = inbox.receive(report, "r.xml")
    assert (announced.status, announced.format) == ("loaded", "camt.052")
    booked = inbox.receive(_camt(500, 10, 20), "s.xml")
    assert (booked.status, booked.notes) == ("loaded", [])
    assert inbox.bank() == [10, 20]
