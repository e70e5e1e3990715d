"""Reversals and disputes: what a bank allows, how they meet, and what the files say."""

import csv
import io
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from online.kernel.errors import Conflict, InvalidRequest, NotFound
from online.kernel.money import parse_decimal
from online.sandbox import closing, disputes, fault_plans, writer
from online.sandbox.wire import FaultPlan, OpenDispute
from tests.unit.sandbox.banking import DAY, Desk, answered, card

NEXT = DAY + timedelta(days=1)


def _dispute(desk: Desk, reference: str, amount: int | None = None) -> disputes.Dispute:
    asked = OpenDispute(reference, amount)
    return disputes.open_for(desk.db, asked, at=desk.clock.now(), seed=desk.seed)


def _decide(desk: Desk, dispute: disputes.Dispute, verdict: disputes.Verdict) -> disputes.Dispute:
    return disputes.decide(desk.db, dispute.reference, verdict, desk.clock.now())


def _file(desk: Desk, rail: str = "card_a") -> tuple[list[dict[str, str]], dict[str, str]]:
    content = closing.close_day(desk.db, DAY, seed=7)
    (found,) = (f.content for f in content if f.name.startswith(rail))
    rows = list(csv.DictReader(io.StringIO(found.decode())))
    return rows[:-1], rows[-1]


# ── reversals ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("rail", ["upi_hdfc", "card_a"])
def test_a_reversal_undoes_a_payment_once(rail: str) -> None:
    desk = Desk()
    paid = desk.pay(10_001, rail=rail)
    assert desk.after("reverse", paid, 10_000, rail).code == "13"
    assert desk.after("reverse", paid, 10_001, rail).status == "approved"
    for operation in ("reverse", "refund", "capture", "void"):
        assert desk.after(operation, paid, 10_001, rail).code == "12"  # type: ignore[arg-type]
    with pytest.raises(Conflict):
        _dispute(desk, paid)


def test_a_reversal_releases_what_was_never_captured() -> None:
    desk = Desk()
    paid = desk.pay(10_000, rail="card_a", capture=False)
    assert desk.after("reverse", paid, 10_000, "card_a").code == "12"
    desk.after("capture", paid, 4_000, "card_a")
    assert desk.after("reverse", paid, 4_000, "card_a").status == "approved"
    assert desk.after("capture", paid, 1, "card_a").code == "12"


def test_what_was_touched_since_is_not_reversed() -> None:
    desk = Desk()
    refunded, waiting, disputed = (desk.pay(150_000, rail="card_a") for _ in range(3))
    desk.after("refund", refunded, 1, "card_a")
    desk.after("refund", waiting, 100_160, "card_a")
    dispute = _dispute(desk, disputed)
    for paid in (refunded, waiting, disputed):
        assert desk.after("reverse", paid, 150_000, "card_a").code == "12"
    _decide(desk, dispute, "won")
    assert desk.after("reverse", disputed, 150_000, "card_a").status == "approved"


def test_what_a_file_has_told_of_is_not_reversed() -> None:
    desk = Desk()
    paid = desk.pay(10_000, rail="card_a")
    desk.close(DAY)
    assert desk.after("reverse", paid, 10_000, "card_a").code == "12"
    assert desk.after("refund", paid, 10_000, "card_a").status == "approved"


def test_a_reversal_of_several_captures_returns_their_charges_to_the_paisa() -> None:
    desk = Desk()
    paid = desk.pay(100_000, rail="card_a", capture=False)
    for part in (33_367, 33_300, 33_333):
        assert desk.after("capture", paid, part, "card_a").status == "approved"
    assert desk.after("reverse", paid, 100_000, "card_a").status == "approved"
    rows, trailer = _file(desk)
    assert [row["Type"] for row in rows] == ["PAY"] * 3 + ["REVERSAL"]
    assert rows[-1]["Gross Amount"] == "-1000.00"
    assert rows[-1]["Order Ref"] == desk.last
    for column in ("Gross Amount", "Fee", "GST", "Net Amount"):
        assert sum(parse_decimal(row[column], "INR") for row in rows) == 0
        assert trailer[column] == "0.00"
    assert parse_decimal(rows[-1]["Fee"], "INR") < 0


# ── disputes ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("capture", [True, False])
def test_a_magic_card_is_disputed_once_it_is_captured(capture: bool) -> None:
    desk = Desk()
    part = card("4000000000000259")
    reply = desk.send("card_a", "authorize", 10_000, card=part, capture=capture)
    paid = desk.last
    if not capture:
        assert reply.dispute is None
        reply = desk.send("card_a", "capture", 6_000, original_reference=paid)
    dispute = reply.dispute
    assert dispute is not None
    assert dispute.reference == f"dsp_{paid.removeprefix('att_')}"
    assert (dispute.original_reference, dispute.status) == (paid, "open")
    assert (dispute.reason_code, dispute.amount_minor) == ("10.4", 10_000 if capture else 6_000)
    assert dispute.respond_by == desk.clock.now() + timedelta(days=20)
    if not capture:
        assert desk.send("card_a", "capture", 4_000, original_reference=paid).dispute is None


def test_a_lost_dispute_is_a_chargeback_and_a_won_one_is_nothing() -> None:
    desk = Desk()
    first, second = desk.pay(10_000, rail="card_a"), desk.pay(20_000, rail="card_a")
    lost, won = _dispute(desk, first), _dispute(desk, second, 5_000)
    for _ in range(2):  # the same verdict again is no news
        assert _decide(desk, lost, "lost").status == "lost"
        assert _decide(desk, won, "won").status == "won"
    with pytest.raises(Conflict):
        _decide(desk, lost, "won")
    rows, trailer = _file(desk)
    (chargeback,) = (row for row in rows if row["Type"] == "CHARGEBACK")
    assert chargeback["Order Ref"] == lost.reference
    assert (chargeback["Gross Amount"], chargeback["Fee"]) == ("-100.00", "0.00")
    assert chargeback["Network Ref"] == lost.network_reference
    total = sum(parse_decimal(row["Net Amount"], "INR") for row in rows)
    assert parse_decimal(trailer["Net Amount"], "INR") == total


def test_refunds_and_disputes_share_what_was_captured() -> None:
    desk = Desk()
    paid = desk.pay(10_000, rail="card_a")
    desk.after("refund", paid, 3_000, "card_a")
    with pytest.raises(InvalidRequest):
        _dispute(desk, paid, 7_001)
    dispute = _dispute(desk, paid, 5_000)
    with pytest.raises(Conflict):
        _dispute(desk, paid, 1)
    assert desk.after("refund", paid, 2_001, "card_a").code == "61"
    assert desk.after("refund", paid, 2_000, "card_a").status == "approved"
    _decide(desk, dispute, "lost")
    assert desk.after("refund", paid, 1, "card_a").code == "61"


def test_a_dispute_names_a_captured_payment() -> None:
    desk = Desk()
    held = desk.pay(10_000, rail="card_a", capture=False)
    with pytest.raises(Conflict):
        _dispute(desk, held)
    desk.after("capture", held, 4_000, "card_a")
    assert _dispute(desk, desk.last).original_reference == held
    payout = desk.payout(5_000)
    for reference in ("att_nobody", payout):
        with pytest.raises(NotFound):
            _dispute(desk, reference)


def test_evidence_is_taken_while_a_dispute_is_open() -> None:
    desk = Desk()
    dispute = _dispute(desk, desk.pay(10_000, rail="card_a"))
    for said in ("first", "second"):
        disputes.take_evidence(desk.db, "card_a", dispute.reference, said)
    kept = disputes.find(desk.db, dispute.reference)
    assert kept is not None
    assert kept.evidence == "second"
    with pytest.raises(NotFound):
        disputes.take_evidence(desk.db, "card_b", dispute.reference, "x")
    _decide(desk, dispute, "lost")
    with pytest.raises(Conflict):
        disputes.take_evidence(desk.db, "card_a", dispute.reference, "late")


# ── the files, and older records ─────────────────────────────────────────────────────────────


def test_faults_stay_with_payments() -> None:
    desk = Desk()
    for number in range(12):
        paid = desk.pay(10_000 + number, rail="card_a")
        if number < 4:
            desk.after("reverse", paid, 10_000 + number, "card_a")
        elif number < 8:
            _decide(desk, _dispute(desk, paid), "lost")
    fault_plans.set_fault_plan(desk.db, FaultPlan(bank_day=DAY))
    rows, trailer = _file(desk)
    kinds = [row["Type"] for row in rows]
    assert (kinds.count("REVERSAL"), kinds.count("CHARGEBACK")) == (4, 4)
    for column in ("Gross Amount", "Fee", "GST", "Net Amount"):
        total = sum(parse_decimal(row[column], "INR") for row in rows)
        assert parse_decimal(trailer[column], "INR") == total


def test_what_the_bank_owes_is_what_moved() -> None:
    """Captures less what went back, less charges, is what is settled: day by day, on each rail."""
    desk = Desk()
    for number in range(40):
        rail = ("upi_hdfc", "card_a")[number % 2]
        paid = desk.pay(20_000 + 37 * number, rail=rail)
        if number % 5 == 0:
            desk.after("reverse", paid, 20_000 + 37 * number, rail)
        elif number % 5 == 1:
            desk.after("refund", paid, 7_000, rail)
            _decide(desk, _dispute(desk, paid, 3_000), "lost")
    back = ("REFUND", "REVERSAL", "CHARGEBACK")
    owed: dict[str, int] = {}
    for rail, kind, amount in desk.db.execute("select rail, type, amount from movements"):
        owed[rail] = owed.get(rail, 0) + (-amount if kind in back else amount)
    captured, refunded = desk.db.execute(
        "select sum(captured), sum(refunded) from operations where operation = 'authorize'"
    ).fetchone()
    reversed_minor = desk.db.execute(
        "select sum(captured) from operations where reversed = 1"
    ).fetchone()[0]
    lost = desk.db.execute("select sum(amount) from disputes where status = 'lost'").fetchone()[0]
    assert sum(owed.values()) == captured - refunded - reversed_minor - lost
    for name, content in desk.close(DAY).items():
        if name.endswith(".csv"):
            trailer = list(csv.DictReader(io.StringIO(content.decode())))[-1]
            assert parse_decimal(trailer["Gross Amount"], "INR") == owed[trailer["Rail"]]


def test_records_of_an_earlier_version_are_read_and_go_on(tmp_path: Path) -> None:
    path = tmp_path / "bank.sqlite"
    old = sqlite3.connect(path, isolation_level=None)
    old.executescript(writer._SCHEMA[0].read_text(encoding="utf-8"))
    answer = (
        b'{"status":"approved","code":"00","rail_reference":"1","network_reference":null,'
        b'"auth_code":null,"message":"Approved","next_action":null}'
    )
    old.execute(
        "insert into operations (reference, idempotency_key, fingerprint, rail, operation, amount,"
        " root, capture, status, answer, rail_reference, instrument, created_at, captured)"
        " values ('att_old', 'att_old', 'x', 'card_a', 'authorize', 500, 'att_old', 1, 'approved',"
        " ?, '1', '4242', '2026-11-16T04:30:00+00:00', 500)",
        (answer,),
    )
    old.execute(
        "insert into movements (reference, rail, type, amount, moved_at, bank_day, report_on, rrn)"
        " values ('att_old', 'card_a', 'PAY', 500, '2026-11-16T04:30:00+00:00', '2026-11-16',"
        " '2026-11-16', '1')"
    )
    old.close()
    desk = Desk()
    for _ in range(2):
        desk.db = writer.connect(path)
    reversed_ = answered(desk.send("card_a", "reverse", 500, original_reference="att_old"))
    assert reversed_.status == "approved"
