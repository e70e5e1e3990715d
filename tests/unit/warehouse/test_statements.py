"""Statements: what they say, and that they foot."""

import json
from datetime import date, timedelta

import pytest

from online.kernel import ids
from tests.unit.warehouse.books import DAY, DISPUTED, MERCHANT, NEXT_DAY, PENDING, Books, noon
from warehouse.connection import Warehouse, WarehouseError
from warehouse.statements.build import Period, build, build_many
from warehouse.statements.model import Line, Statement

PAYABLE_TAX = "tax:tds"
PARTY = ids.derived("merchant", "Looms")


def statement_of(warehouse: Warehouse, snapshot: int | None = None) -> Statement:
    return build(
        warehouse, merchant_id=MERCHANT, start_date=DAY, end_date=NEXT_DAY, snapshot=snapshot
    )


def foots(statement: Statement) -> bool:
    moved = statement.total_credit_minor - statement.total_debit_minor
    return statement.opening_minor + moved == statement.closing_minor


def a_day(books: Books) -> None:
    books.capture("before", 10_000, noon(DAY - timedelta(days=1)))
    books.capture("a", 1_00_00_000, noon(DAY))
    books.refund("r", 20_000, noon(DAY, minute=1))
    books.pay_out("p", 50_000, noon(NEXT_DAY))


@pytest.fixture
def books(warehouse: Warehouse) -> Books:
    books = Books(warehouse)
    a_day(books)
    return books


def test_what_a_statement_says(warehouse: Warehouse, books: Books) -> None:
    statement = statement_of(warehouse)
    assert statement.opening_minor == 10_000 - 200 - 36
    said = [(x.kind, x.debit_minor, x.credit_minor, x.reference) for x in statement.lines]
    payout = ids.encode("att", ids.derived("attempt", "p"))
    assert said == [
        ("capture", 0, 10_000_000, "pay_a"),
        ("fee", 200_000, 0, "pay_a"),
        ("tax", 36_000, 0, "pay_a"),
        ("refund", 20_000, 0, "rfd_r"),
        # Settling moves money between the merchant's own accounts: no line of its own.
        ("payout_sent", 50_000, 0, payout),
    ]
    capture, fee, tax, _, paid = statement.lines
    assert [x.number for x in statement.lines] == [1, 2, 3, 4, 5]
    assert (capture.description, capture.mode) == ("Payment received", "UPI")
    assert capture.rail_reference == "a"
    assert (fee.description, fee.mode, fee.charge) == (
        "Fee (merchant discount rate)",
        "Charge",
        "Merchant discount rate",
    )
    assert (tax.description, tax.charge, tax.rate_bps, tax.sac) == (
        "IGST on the fee",
        "IGST",
        1_800,
        fee.sac,
    )
    assert paid.description == "Payout to your bank account, stl_p"
    assert (statement.fees_minor, statement.tax_minor) == (200_000, 36_000)
    assert (statement.debit_count, statement.credit_count) == (4, 1)
    assert statement.lines[-1].balance_minor == statement.closing_minor
    assert foots(statement)
    assert statement.holder.name == "Chai & Sons"
    charges = [(x.name, x.count, x.charged_minor, x.returned_minor) for x in statement.charges]
    assert charges == [("Merchant discount rate", 1, 200_000, 0), ("IGST", 1, 36_000, 0)]
    assert statement.snapshot_at == warehouse.snapshot_at(statement.snapshot)


def a_day_of_trouble(books: Books) -> None:
    """A capture that is undone, a refund that gives its fee back, one dispute of each end."""
    for place, name in enumerate(("a", "b", "won", "lost", "open")):
        books.capture(name, 10_000, noon(DAY, minute=place))
    books.reverse("back", "a", 10_000, noon(DAY, minute=10))
    books.refund("r", 5_000, noon(DAY, minute=11))
    books.return_fee("r", 100, 18, noon(DAY, minute=12))
    for place, name in enumerate(("won", "lost", "open")):
        books.dispute(name, 10_000, noon(DAY, minute=20 + place))
    books.win("won", 10_000, noon(NEXT_DAY))
    books.lose("lost", 10_000, noon(NEXT_DAY, minute=1))
    books.dispute_fee("lost", 50_000, 9_000, noon(NEXT_DAY, minute=1))


@pytest.fixture
def trouble(warehouse: Warehouse) -> Books:
    books = Books(warehouse)
    a_day_of_trouble(books)
    return books


def test_what_a_statement_says_of_trouble(warehouse: Warehouse, trouble: Books) -> None:
    statement = statement_of(warehouse)
    dispute = ids.encode("dsp", ids.derived("dispute", "lost"))
    refund = ids.encode("att", ids.derived("attempt", "r"))
    said = [
        (x.kind, x.description, x.reference, x.credit_minor - x.debit_minor)
        for x in statement.lines[15:]
    ]
    assert said == [
        ("reversal", "Payment reversed", "pay_a", -10_000),
        ("fee", "Fee returned (merchant discount rate)", "pay_a", 200),
        ("tax", "IGST on the fee returned", "pay_a", 36),
        ("refund", "Refund to payer", "rfd_r", -5_000),
        ("fee_returned", "Fee returned with a refund", refund, 100),
        ("tax", "IGST on the fee returned", refund, 18),
        # Opened and won move money between the merchant's own accounts: no lines of their own.
        ("dispute_lost", f"Dispute lost, {dispute}", "pay_lost", -10_000),
        ("dispute_fee", f"Dispute fee, {dispute}", "pay_lost", -50_000),
        ("tax", "IGST on the fee", "pay_lost", -9_000),
    ]
    assert statement.fees_minor == 5 * 200 - 200 - 100 + 50_000
    assert statement.tax_minor == 5 * 36 - 36 - 18 + 9_000
    charged = {x.name: (x.charged_minor, x.returned_minor) for x in statement.charges}
    assert charged == {
        "Merchant discount rate": (5 * 200, 200 + 100),
        "IGST": (5 * 36 + 9_000, 36 + 18),
        "Dispute fee": (50_000, 0),
    }


def test_the_closing_balance_is_that_of_all_the_merchants_accounts(
    warehouse: Warehouse, trouble: Books
) -> None:
    """Pending + payable + reserve + escrow + disputed, day by day and for the whole."""
    reserve = f"merchant:{ids.encode('mrc', MERCHANT)}:reserve:2026-11"
    trouble.post("reserve_held", "q", [(PENDING, -700), (reserve, 700)], noon(NEXT_DAY, minute=9))
    for last in (DAY, NEXT_DAY):
        statement = build(warehouse, merchant_id=MERCHANT, start_date=DAY, end_date=last)
        held = {
            str(code): int(amount)
            for code, amount in warehouse.rows(
                "SELECT account.code, sum(entry.amount_minor) FROM raw_entries AS entry"
                " INNER JOIN raw_accounts AS account ON entry.account_id = account.id"
                " WHERE account.merchant_id IS NOT NULL AND entry.business_date <= $last"
                " GROUP BY 1",
                last=last,
            )
        }
        assert foots(statement)
        assert statement.closing_minor == sum(held.values()) == statement.parts.total_minor()
        assert statement.parts.disputed_minor == held[DISPUTED]
        assert statement.parts.pending_minor == held[PENDING]
        assert statement.parts.reserve_minor == held.get(reserve, 0)
    assert (held[DISPUTED], held[reserve]) == (10_000, 700)
    # What is held back within the merchant's own money is no line.
    assert "reserve_held" not in {line.kind for line in statement.lines}


def test_a_day_with_an_escrow_foots_for_its_owner_and_for_its_party(warehouse: Warehouse) -> None:
    """Setting aside is no line; what is released to others is one, and theirs."""
    books = Books(warehouse)
    copied = "INSERT INTO raw_merchants SELECT * REPLACE ($party::UUID AS id) FROM raw_merchants"
    warehouse.execute(copied, party=PARTY)
    books.capture("x", 10_000, noon(DAY))
    escrow = f"merchant:{ids.encode('mrc', MERCHANT)}:escrow:esc_1"
    mine = f"merchant:{ids.encode('mrc', PARTY)}:pending"
    books.post("escrow_funded", "esc_1", [(PENDING, -9_000), (escrow, 9_000)], noon(DAY, minute=1))
    funded = statement_of(warehouse)
    assert [line.kind for line in funded.lines] == ["capture", "fee", "tax"]
    assert (funded.parts.escrow_minor, funded.parts.pending_minor) == (9_000, 764)
    legs = [(escrow, -5_000), (PENDING, 500), (mine, 4_500)]
    books.post("escrow_released", "esc_1", legs, noon(NEXT_DAY))
    owner = statement_of(warehouse)
    party = build(warehouse, merchant_id=PARTY, start_date=DAY, end_date=NEXT_DAY)
    assert [(x.kind, x.debit_minor, x.mode) for x in owner.lines[3:]] == [
        ("escrow_released", 4_500, "Escrow")
    ]
    assert [(x.description, x.credit_minor, x.reference) for x in party.lines] == [
        ("Released from escrow, esc_1", 4_500, "esc_1")
    ]
    for statement in (owner, party):
        assert foots(statement)
        assert statement.closing_minor == statement.parts.total_minor()
    assert (owner.parts.escrow_minor, owner.parts.pending_minor) == (4_000, 1_264)


def test_opening_a_dispute_changes_no_balance_and_losing_it_does(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("x", 10_000, noon(DAY))
    before = statement_of(warehouse)
    books.dispute("x", 10_000, noon(DAY, minute=1))
    opened = statement_of(warehouse)
    assert (opened.lines, opened.closing_minor) == (before.lines, before.closing_minor)
    assert (before.parts.disputed_minor, opened.parts.disputed_minor) == (0, 10_000)
    books.lose("x", 10_000, noon(DAY, minute=2))
    lost = statement_of(warehouse)
    assert lost.closing_minor == before.closing_minor - 10_000
    assert (lost.lines[-1].kind, lost.lines[-1].debit_minor) == ("dispute_lost", 10_000)
    assert lost.parts.disputed_minor == 0


def test_tax_deducted_at_source_leaves_the_merchants_money(warehouse: Warehouse) -> None:
    books = Books(warehouse)
    books.capture("x", 10_000, noon(DAY))
    payable = f"merchant:{ids.encode('mrc', MERCHANT)}:payable"
    legs = [(PENDING, -9_764), (PAYABLE_TAX, 100), (payable, 9_664)]
    about = json.dumps({"settlement_id": "stl_1", "tds_section": "194-O", "tds_bps": 100})
    books.post("settlement", "stl_1", legs, noon(NEXT_DAY), about)
    statement = statement_of(warehouse)
    line = statement.lines[-1]
    assert (line.kind, line.debit_minor, line.reference) == ("tds", 100, "stl_1")
    assert (line.description, line.rate_bps) == (
        "Tax deducted at source, section 194-O",
        100,
    )
    assert statement.closing_minor == 9_664 == statement.parts.payable_minor
    assert statement.charges[-1].kind == "tds"
    assert statement.tax_minor == 36  # GST alone


def _event(warehouse: Warehouse, about: str, kind: str, data: dict[str, object]) -> None:
    warehouse.execute(
        "INSERT INTO raw_events (id, aggregate_id, aggregate_type, event_type, version,"
        ' "timestamp", merchant_id, data, livemode, xid) VALUES ($id, $of, $type, $kind, 1, $at,'
        " $merchant, $data, false, 1)",
        id=ids.derived("event", about, kind),
        of=ids.decode(about.split("_", maxsplit=1)[0], about),
        type=kind.split(".", maxsplit=1)[0],
        kind=kind,
        at=noon(DAY - timedelta(days=3)),
        merchant=MERCHANT,
        data=json.dumps(data),
    )


def _line_of(
    warehouse: Warehouse, kind: str, metadata: dict[str, object], amount: int = -500
) -> Line:
    legs = [(PENDING, amount), ("suspense:x", -amount)]
    Books(warehouse).post(kind, f"{kind}_1", legs, noon(DAY), json.dumps(metadata))
    (line,) = statement_of(warehouse).lines
    return line


def test_a_refund_names_its_payment_its_day_and_its_reason(warehouse: Warehouse) -> None:
    payment, refund = (ids.encode(kind, ids.derived("x")) for kind in ("pay", "rfd"))
    mask = {"instrument_mask": "as***@okhdfc"}
    _event(warehouse, payment, "payment.created", mask)
    _event(warehouse, payment, "payment.captured", {"rail_reference": "1"})
    refund = ids.encode("rfd", ids.derived("y"))
    _event(warehouse, refund, "refund.created", {"reason": "sold out"})
    _event(warehouse, refund, "refund.succeeded", {"rail_reference": "612535829269"})
    about = {"payment_id": payment, "refund_id": refund, "method": "upi"}
    line = _line_of(warehouse, "refund_requested", about)
    assert (line.original_date, line.reason) == (DAY - timedelta(days=3), "sold out")
    assert (line.mode, line.rail_reference) == ("UPI", "612535829269")
    # The bank's handle alone: what stands before it would name a person.
    assert line.counterparty == "…@okhdfc"
    assert "as***" not in line.counterparty


@pytest.mark.parametrize(
    ("mask", "network", "mode", "counterparty"),
    [
        ("visa •••• 1111", "visa", "Visa card", "card ending 1111"),
        ("411111…1111", None, "card", "card ending 1111"),
        ("odd", "newone", "Newone card", ""),
    ],
)
def test_a_card_shows_its_network_and_last_four(
    warehouse: Warehouse, mask: str, network: str | None, mode: str, counterparty: str
) -> None:
    payment = ids.encode("pay", ids.derived("x"))
    card = {"card": {"network": network}} if network else {}
    _event(warehouse, payment, "payment.created", {"instrument_mask": mask, **card})
    about = {"payment_id": payment, "method": "card"}
    line = _line_of(warehouse, "capture", about, 500)
    assert (line.mode, line.counterparty) == (mode, counterparty)


@pytest.mark.parametrize(
    ("utr", "mode"),
    [
        ("HDFCR12026111600000123", "RTGS"),
        ("HDFCN26320123456", "NEFT"),
        ("612535829269", "IMPS"),
        ("UTR500", "Bank transfer"),
        ("", "Bank transfer"),
    ],
)
def test_a_payout_names_its_mode_its_bank_and_its_settlement(
    warehouse: Warehouse, utr: str, mode: str
) -> None:
    about = {
        "settlement_id": "stl_1",
        "settled_date": "2026-11-15",
        "rail_reference": utr,
        "beneficiary_ifsc": "HDFC0000001",
        "beneficiary_last4": "4321",
    }
    line = _line_of(warehouse, "payout_sent", about)
    assert (line.mode, line.rail_reference) == (mode, utr)
    assert line.counterparty == "HDFC0000001, account ending 4321"
    assert line.description == ("Payout to your bank account, stl_1, business of 15 Nov 2026")


def test_what_came_late_keeps_the_day_it_was_meant_for(warehouse: Warehouse) -> None:
    line = _line_of(warehouse, "adjustment", {"original_date": "2026-10-31"})
    assert (line.date, line.value_date) == (DAY, date(2026, 10, 31))


def test_closing_is_the_next_periods_opening(warehouse: Warehouse, books: Books) -> None:
    later = build(
        warehouse,
        merchant_id=MERCHANT,
        start_date=NEXT_DAY + timedelta(days=1),
        end_date=NEXT_DAY + timedelta(days=2),
    )
    assert later.opening_minor == later.closing_minor == statement_of(warehouse).closing_minor
    assert later.lines == []


def test_what_makes_no_sense_is_refused(warehouse: Warehouse, books: Books) -> None:
    with pytest.raises(WarehouseError, match="ends before it starts"):
        build(warehouse, merchant_id=MERCHANT, start_date=NEXT_DAY, end_date=DAY)
    with pytest.raises(WarehouseError, match="no merchant"):
        build(warehouse, merchant_id=ids.derived("x"), start_date=DAY, end_date=DAY)
    with pytest.raises(WarehouseError, match="no snapshot"):
        statement_of(warehouse, 10_000)


def test_many_are_read_with_a_few_queries_and_say_the_same(
    warehouse: Warehouse, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [ids.derived("merchant", str(n)) for n in range(20)]
    for merchant in others:
        warehouse.execute(
            "INSERT INTO raw_merchants (id, name, livemode) VALUES ($id, $id, false)", id=merchant
        )
    period = Period(DAY, NEXT_DAY)
    asked: list[str] = []
    query = type(warehouse).query

    def counted(self: Warehouse, sql_name: str, **params: object) -> object:
        asked.append(sql_name)
        return query(self, sql_name, **params)

    monkeypatch.setattr("warehouse.connection.Lake.query", counted)
    found = {x.merchant_id: x for x in build_many(warehouse, [MERCHANT, *others], period)}
    assert asked == ["statement_seal", "statement_balances", "statement_movements"]
    assert len(found) == 21
    assert found[ids.encode("mrc", MERCHANT)] == statement_of(warehouse)
    assert found[ids.encode("mrc", others[0])].lines == []
    # A chunk of its own for each merchant that moved: the same statements.
    monkeypatch.setattr("warehouse.statements.build.CHUNK_ENTRIES", 1)
    assert {x.merchant_id: x for x in build_many(warehouse, [MERCHANT, *others], period)} == found


def test_books_that_do_not_foot_make_no_statement(warehouse: Warehouse, books: Books) -> None:
    # A part that the statement does not know is money that it would not show.
    other = f"merchant:{ids.encode('mrc', MERCHANT)}:somewhere"
    books.post("odd", "o", [(PENDING, -5), (other, 5)], noon(DAY, minute=40))
    with pytest.raises(WarehouseError, match="does not foot"):
        statement_of(warehouse)
