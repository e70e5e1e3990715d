"""The files of a day: they foot, they repeat, and they hold exactly the faults that were asked."""

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from online.kernel import ids
from online.kernel.errors import Conflict
from online.kernel.money import parse_decimal
from online.sandbox import bank_books, closing, fault_plans
from online.sandbox.camt import NAMESPACE
from online.sandbox.faults import Fault
from online.sandbox.wire import FaultPlan
from tests.unit.sandbox.banking import DAY, Desk

NEXT = DAY + timedelta(days=1)
THIRD = DAY + timedelta(days=2)
_N = {"c": NAMESPACE}


def _busy(payments: int = 60) -> Desk:
    """A day with payments on all rails, a refund, a manual capture and a decline."""
    desk = Desk()
    bank_books.set_opening(desk.db, "hdfc", 1_000_000)
    rails = ("upi_hdfc", "upi_icici", "card_a", "card_b")
    for number in range(payments):
        paid = desk.pay(10_001 + 137 * number, rail=rails[number % 4])
        if number % 10 == 0:
            desk.after("refund", paid, 2_500, rails[number % 4])
    held = desk.pay(50_000, rail="card_a", capture=False)
    desk.after("capture", held, 30_000, "card_a")
    desk.after("refund", held, 99_999_999, "card_a")
    return desk


def _rows(content: bytes) -> tuple[list[dict[str, str]], dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8"))))
    assert [row["Record"] for row in rows] == ["D"] * (len(rows) - 1) + ["T"]
    return rows[:-1], rows[-1]


def _minor(text: str) -> int:
    return parse_decimal(text, "INR")


def _switch(files: dict[str, bytes]) -> dict[str, bytes]:
    return {name: content for name, content in files.items() if name.endswith(".csv")}


def _statement(files: dict[str, bytes]) -> tuple[int, int, list[tuple[int, str, str]]]:
    """Opening, closing and the entries (signed amount, UTR, end-to-end id) of both accounts."""
    (camt,) = (content for name, content in files.items() if name.endswith(".xml"))
    (swift,) = (content for name, content in files.items() if name.endswith(".sta"))
    one, two = _of_camt(camt), _of_mt940(swift)
    return one[0] + two[0], one[1] + two[1], one[2] + two[2]


def _of_mt940(content: bytes) -> tuple[int, int, list[tuple[int, str, str]]]:
    """By hand: `:60F:`, `:62F:`, and each `:61:` with the lines of its `:86:`."""
    text = content.decode("ascii").replace("\r\n", "\n")
    opening, closing = (
        int(amount.replace(",", "")) * (1 if mark == "C" else -1)
        for mark, amount in re.findall(r":6[02]F:([CD])\d{6}INR([\d,]+)\n", text)
    )
    entries = []
    for mark, amount, told in re.findall(
        r":61:\d{10}([CD])([\d,]+)NTRF.*\n:86:((?:.*\n)+?)(?=:6)", text
    ):
        parts = told.replace("\n", "").split("/")
        named = dict(zip(parts[1::2], parts[2::2], strict=True))
        sign = 1 if mark == "C" else -1
        reference = named.get("EREF", "NOTPROVIDED")
        entries.append((sign * int(amount.replace(",", "")), named["UTR"], reference))
    return opening, closing, entries


def _of_camt(content: bytes) -> tuple[int, int, list[tuple[int, str, str]]]:
    stmt = ET.fromstring(content).find("c:BkToCstmrStmt/c:Stmt", _N)  # noqa: S314 - our own
    assert stmt is not None

    def signed(node: ET.Element) -> int:
        sign = 1 if node.findtext("c:CdtDbtInd", None, _N) == "CRDT" else -1
        return sign * _minor(node.findtext("c:Amt", "", _N))

    balances = {
        node.findtext("c:Tp/c:CdOrPrtry/c:Cd", "", _N): signed(node)
        for node in stmt.findall("c:Bal", _N)
    }
    entries = [
        (
            signed(node),
            node.findtext("c:AcctSvcrRef", "", _N),
            node.findtext("c:NtryDtls/c:TxDtls/c:Refs/c:EndToEndId", "", _N),
        )
        for node in stmt.findall("c:Ntry", _N)
    ]
    return balances["OPBD"], balances["CLBD"], entries


def test_every_line_and_every_total_foots() -> None:
    files = _switch(_busy().close(DAY))
    assert set(files) == {
        "upi_hdfc_settlement_2026-11-16_c05.csv",  # ten in the morning: cycle V
        "upi_icici_settlement_2026-11-16_c05.csv",
        "card_a_settlement_2026-11-16.csv",
        "card_b_settlement_2026-11-16.csv",
    }
    for content in files.values():
        rows, trailer = _rows(content)
        assert int(trailer["RRN"]) == len(rows)
        for column in ("Gross Amount", "Fee", "GST", "Net Amount"):
            assert sum(_minor(row[column]) for row in rows) == _minor(trailer[column])
        for row in rows:
            gross, fee = _minor(row["Gross Amount"]), _minor(row["Fee"])
            assert _minor(row["Net Amount"]) == gross - fee - _minor(row["GST"])
            assert (gross < 0 and fee == 0) if row["Type"] == "REFUND" else fee > 0
            assert row["Settled On"] == "2026-11-16"


@pytest.mark.parametrize(
    ("rail", "amount", "fee", "gst"),
    [
        ("upi_hdfc", 10_100, "0.50", "0.09"),  # 50.5 paise: half to even
        ("upi_hdfc", 10_300, "0.52", "0.09"),  # 51.5
        ("upi_icici", 10_000, "0.60", "0.11"),  # GST 10.8
        ("card_a", 100_000, "15.00", "2.70"),
        ("card_b", 100_000, "17.00", "3.06"),
    ],
)
def test_a_rail_charges_its_fee_and_gst(rail: str, amount: int, fee: str, gst: str) -> None:
    desk = Desk()
    desk.pay(amount, rail=rail)
    (content,) = _switch(desk.close(DAY)).values()
    ((row, *_), _) = _rows(content)
    assert (row["Fee"], row["GST"]) == (fee, gst)


def test_the_bank_credits_a_settlement_on_the_next_day_and_balances_chain() -> None:
    desk = _busy()
    first = desk.close(DAY)
    opening, closed, entries = _statement(first)
    assert (opening, closed, entries) == (1_000_000, 1_000_000, [])
    paid_out = desk.payout(70_000)
    opening, closed, entries = _statement(desk.close(NEXT))
    promised = {}
    for content in _switch(first).values():
        _, trailer = _rows(content)
        promised[trailer["Settlement Id"]] = (_minor(trailer["Net Amount"]), trailer["UTR"])
    credits_ = {reference: (amount, utr) for amount, utr, reference in entries if amount > 0}
    assert credits_ == promised
    assert [(amount, ref) for amount, _, ref in entries if amount < 0] == [(-70_000, paid_out)]
    assert opening == 1_000_000
    assert closed == opening + sum(amount for amount, _, _ in entries)
    again, _, entries = _statement(desk.close(THIRD))
    assert (again, entries) == (closed, [])


def test_the_same_seed_and_records_give_the_same_bytes() -> None:
    plan = FaultPlan(bank_day=DAY)
    one, two = _busy(), _busy()
    for desk in (one, two):
        fault_plans.set_fault_plan(desk.db, plan)
    for day in (DAY, NEXT, THIRD):
        assert one.close(day) == two.close(day)
    assert fault_plans.truth(one.db) == fault_plans.truth(two.db)


def test_closing_again_gives_the_same_files_and_later_payments_go_to_the_next_day() -> None:
    desk = Desk()
    desk.pay(10_000)
    files = closing.close_day(desk.db, DAY, seed=7)
    desk.pay(20_000)  # still before 21:00, but the day is closed
    assert closing.close_day(desk.db, DAY, seed=7) == files
    rows, _ = _rows(desk.close(NEXT)["upi_hdfc_settlement_2026-11-17_c01.csv"])
    assert [row["Gross Amount"] for row in rows] == ["200.00"]


def test_days_close_in_order_and_the_opening_is_set_before() -> None:
    desk = Desk()
    desk.close(NEXT)
    with pytest.raises(Conflict):
        closing.close_day(desk.db, DAY, seed=7)
    with pytest.raises(Conflict):
        bank_books.set_opening(desk.db, "hdfc", 5)
    with pytest.raises(Conflict):
        fault_plans.set_fault_plan(desk.db, FaultPlan(bank_day=NEXT))


def _order_refs(files: dict[str, bytes]) -> Counter[str]:
    return Counter(
        row["Order Ref"] for content in _switch(files).values() for row in _rows(content)[0]
    )


def test_each_fault_is_in_the_files_once_and_the_truth_tells_it() -> None:
    clean, bent = _busy(), _busy()
    fault_plans.set_fault_plan(bent.db, FaultPlan(bank_day=DAY, seed=11))
    before, after = _order_refs(clean.close(DAY)), _order_refs(bent.close(DAY))
    truth = fault_plans.truth(bent.db)
    assert Counter(fault.kind for fault in truth) == {
        "missing_external": 2,
        "missing_internal": 2,
        "amount_mismatch": 2,
        "duplicate_external": 2,
        "timing": 2,
        "unexpected_credit": 1,
    }
    on_rows = [fault.reference for fault in truth if fault.kind != "unexpected_credit"]
    assert len(set(on_rows)) == len(on_rows)
    by_kind: dict[str, list[str]] = {}
    for fault in truth:
        by_kind.setdefault(fault.kind, []).append(fault.reference)
    gone = {*by_kind["missing_external"], *by_kind["timing"]}
    assert set(before - after) == gone
    assert set(after - before) == {*by_kind["missing_internal"], *by_kind["duplicate_external"]}
    assert all(after[reference] == 2 for reference in by_kind["duplicate_external"])
    for reference in by_kind["missing_internal"]:
        ids.decode("att", reference)
    for kind in ("missing_external", "amount_mismatch", "duplicate_external", "timing"):
        assert len({fault.rail for fault in truth if fault.kind == kind}) == 2


def test_the_bank_pays_what_its_bent_files_say() -> None:
    desk = _busy()
    fault_plans.set_fault_plan(desk.db, FaultPlan(bank_day=DAY, seed=11))
    files = _switch(desk.close(DAY))
    truth = {fault.reference: fault for fault in fault_plans.truth(desk.db)}
    promised = 0
    for content in files.values():
        rows, trailer = _rows(content)
        promised += _minor(trailer["Net Amount"])
        assert sum(_minor(row["Net Amount"]) for row in rows) == _minor(trailer["Net Amount"])
        for row in rows:
            fault = truth.get(row["Order Ref"])
            if fault is not None and fault.kind == "amount_mismatch":
                assert _minor(row["Gross Amount"]) == fault.actual_minor != fault.expected_minor
    _, _, entries = _statement(desk.close(NEXT))
    stray = [fault for fault in truth.values() if fault.kind == "unexpected_credit"]
    assert stray[0].amount_minor in [amount for amount, utr, _ in entries]
    assert sum(amount for amount, _, _ in entries) == promised + stray[0].amount_minor
    assert {utr for _, utr, ref in entries if ref == "NOTPROVIDED"} == {stray[0].reference}


def test_late_rows_come_two_days_later_and_are_credited_then() -> None:
    desk = _busy()
    fault_plans.set_fault_plan(desk.db, FaultPlan(bank_day=DAY, late=3))
    desk.close(DAY)
    assert not _switch(desk.close(NEXT))
    third = _switch(desk.close(THIRD))
    late = [fault for fault in fault_plans.truth(desk.db) if fault.kind == "timing"]
    assert _order_refs(third) == Counter(fault.reference for fault in late)
    assert {fault.reported_on for fault in late} == {THIRD}
    net = sum(_minor(_rows(content)[1]["Net Amount"]) for content in third.values())
    _, _, entries = _statement(desk.close(THIRD + timedelta(days=1)))
    assert sum(amount for amount, _, _ in entries) == net


@pytest.mark.parametrize("payments", [0, 1, 3])
def test_faults_stop_where_the_rows_do(payments: int) -> None:
    desk = Desk()
    for _ in range(payments):
        desk.pay(10_000)
    fault_plans.set_fault_plan(desk.db, FaultPlan(bank_day=DAY))
    desk.close(DAY)
    truth: list[Fault] = fault_plans.truth(desk.db)
    on_rows = [fault for fault in truth if fault.expected_minor is not None]
    assert len(on_rows) == payments
    assert len(truth) == payments + 3  # two extra rows, one stray credit


def test_a_day_of_refunds_alone_is_a_debit() -> None:
    desk = Desk()
    paid = desk.pay(10_000)
    desk.close(DAY)
    desk.after("refund", paid, 4_000, "upi_hdfc")
    desk.close(NEXT)
    _, _, entries = _statement(desk.close(THIRD))
    assert [amount for amount, _, _ in entries] == [-4_000]


def test_delivery_replaces_whole_files(tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    files = [closing.BankFile("a.csv", b"one"), closing.BankFile("b.xml", b"two")]
    for _ in range(2):
        paths = closing.deliver(files, inbox)
    assert sorted(path.name for path in inbox.iterdir()) == ["a.csv", "b.xml"]
    assert paths == [str(inbox / "a.csv"), str(inbox / "b.xml")]
