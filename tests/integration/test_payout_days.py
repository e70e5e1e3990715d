"""Days with payouts, as the sandbox's bank tells them: everything is explained, nothing is left.

The bank is the sandbox's own, the entries are those that online's recipes post; between them lie
real files (CAMT.053) and the real assets.
"""

import json
from datetime import date, timedelta
from typing import Any

import dagster as dg
import msgspec
import pytest

from online.attempts.domain import Attempt
from online.kernel import events as ev
from online.kernel import ids
from online.ledger.journal import Journal
from online.payouts import beneficiary as whom
from online.payouts import outcomes
from online.payouts.domain import Payout, apply
from online.rails.domain import Outcome, OutcomeKind
from online.sandbox import wire
from tests.builders import an, attempt, occurred, uid
from tests.integration.test_assets import RECONCILE, House, checks
from tests.integration.test_assets import house as house  # noqa: PLC0414 - a fixture
from tests.unit.sandbox.banking import Desk, answered
from tests.unit.warehouse.books import DAY, MERCHANT, NEXT_DAY, PAYABLE, Books, noon
from warehouse.connection import Warehouse
from warehouse.statements.build import build

STORES = {"name": "Sagar Kirana Stores", "account": "919020000001", "ifsc": "UTIB0000123"}
ASHA = {"name": "Asha Kulkarni", "vpa": "asha@ybl"}
TRANSIT = "payouts:bank_hdfc:in_transit"
RETURNS = dg.AssetSelection.assets("payout_returns_sent")
LATE_DAY = DAY + timedelta(days=2)


class Town:
    """A bank, books, and the nights between them."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.books = Books(house.warehouse)
        self.desk = Desk(at=noon(DAY))
        self.books.post("cutover", "c", [("bank:hdfc", -(10**9)), (PAYABLE, 10**9)], noon(DAY))

    def pay(self, name: str, amount: int, to: dict[str, str], mode: str | None) -> Attempt:
        """Ordered, sent, and recorded as the bank answers."""
        sent = attempt(
            id=uid(name),
            payment_id=None,
            operation="payout",
            amount_minor=amount,
            rail="bank_hdfc",
            order_id=ids.encode("pout", uid("payout", name)),
        )
        payout = _payout(name, amount, to)
        self.post(outcomes.payout_sent(payout, sent, self.desk.clock.now()))
        payee = wire.Beneficiary(**to)
        about: dict[str, Any] = {"beneficiary": payee, "reference": sent.reference, "mode": mode}
        said = answered(self.desk.send("bank_hdfc", "payout", amount, **about))
        if said.status != "approved":
            no = Outcome(kind=OutcomeKind.DECLINED, code=said.code)
            effect = outcomes.effect(payout, sent, no, self.desk.clock.now())
            assert effect.journal is not None
            self.post(effect.journal)
        return sent

    def rupee(self, name: str, to: dict[str, str]) -> None:
        sent = attempt(
            id=uid(name), payment_id=None, operation="payout", amount_minor=100, rail="bank_hdfc"
        )
        asked = whom.apply(None, occurred(an(ev.BeneficiaryAdded, kind="bank_account", mask="X1")))
        self.post(outcomes.penny_sent(asked, sent, self.desk.clock.now()))
        about: dict[str, Any] = {"beneficiary": wire.Beneficiary(**to), "mode": "imps"}
        said = answered(
            self.desk.send("bank_hdfc", "payout", 100, reference=sent.reference, **about)
        )
        assert said.beneficiary_name == to["name"]

    def post(self, journal: Journal) -> None:
        legs = [(posting.account.code, posting.amount_minor) for posting in journal.postings]
        about = json.dumps(journal.metadata)
        self.books.post(journal.kind, str(journal.reference), legs, journal.effective_at, about)

    def night(self, day: date, *days: date) -> None:
        """The bank closes a day, its files come; the days are reconciled."""
        for name, content in self.desk.close(day).items():
            self.house.receive(name, content)
        for each in (day, *days):  # as nights do: what is new is staged first
            result = self.house.run(RECONCILE, each)
            assert result.success, checks(result)

    def transit(self) -> int:
        """What is on its way, by online's entries and the files' postings together."""
        account = self.books.account(TRANSIT)
        _, posted = self.books.balances.get(account, (0, 0))
        return posted + self.house.online.balances().get(TRANSIT, 0)

    def breaks(self) -> list[tuple[Any, ...]]:
        return self.house.warehouse.rows(
            "SELECT business_date, kind, reference, expected_minor, actual_minor FROM recon_breaks"
        )


@pytest.fixture
def town(house: House) -> Town:
    return Town(house)


def _payout(name: str, amount: int, to: dict[str, str]) -> Payout:
    mask = "as***@ybl" if "vpa" in to else "XXXXXXXX0001"
    created = an(
        ev.PayoutCreated, amount=amount, mask=mask, ifsc=to.get("ifsc"), reference=f"INV-{name}"
    )
    made = apply(None, occurred(created, id_=uid("payout", name)))
    return msgspec.structs.replace(made, merchant_id=MERCHANT)


def lines_of_the_bank(warehouse: Warehouse) -> dict[str, tuple[str, int]]:
    """UTR and amount, by the attempt that a line names."""
    rows = warehouse.rows(
        "SELECT reference, utr, amount_minor FROM stg_bank_lines WHERE reference LIKE 'att_%'"
    )
    return {reference: (utr, amount) for reference, utr, amount in rows}


WAYS = [
    ("by upi", 40_000, ASHA, "upi", 12),
    ("by imps", 50_000, STORES, "imps", 12),
    ("by neft", 60_000, STORES, "neft", 16),
    ("by rtgs", 20_000_000, STORES, "rtgs", 22),
    ("as usual", 70_000, STORES, None, 16),
]


def test_every_way_of_paying_out_is_explained(town: Town) -> None:
    sent = {
        town.pay(name, amount, to, mode).reference: (amount, digits)
        for name, amount, to, mode, digits in WAYS
    }
    town.rupee("rupee", STORES)
    town.pay("refused", 80_000, {**STORES, "account": "9990000405"}, "imps")
    assert town.transit() == sum(amount for amount, _ in sent.values()) + 100
    town.night(DAY)
    shown = lines_of_the_bank(town.house.warehouse)
    assert len(shown) == len(sent) + 1
    for reference, (amount, digits) in sent.items():
        utr, moved = shown[reference]
        assert (len(utr), moved) == (digits, -amount)
    assert town.breaks() == []
    assert town.transit() == 0
    assert town.house.online.balances()["bank:hdfc"] == -sum(a for _, a in shown.values())


def test_what_the_bank_sends_back_is_explained_once_the_books_have_it(town: Town) -> None:
    back = town.pay("back", 55_000, {**STORES, "account": "9990000903"}, "neft")
    town.pay("stays", 45_000, STORES, "neft")
    town.night(DAY)
    assert (town.breaks(), town.transit()) == ([], 0)
    # The next day's statement has it again. It is nobody's for a night, and told to online.
    town.night(NEXT_DAY, DAY)
    assert town.house.run(RETURNS, NEXT_DAY).success
    (told,) = town.house.online.returns.values()
    assert (told["attempt_id"], told["amount"]) == (back.reference, 55_000)
    assert [row[1] for row in town.breaks()] == ["unexpected_credit"]
    payout = _payout("back", 55_000, STORES)
    town.post(outcomes.payout_sent_back(payout, back, town.desk.clock.now()))
    town.night(LATE_DAY, DAY, NEXT_DAY)
    assert town.breaks() == []
    assert town.transit() == 0
    assert town.house.online.balances().get("suspense:bank", 0) == 0


def test_a_statement_shows_whom_it_was_paid_to(town: Town) -> None:
    town.pay("by upi", 40_000, ASHA, "upi")
    town.pay("by neft", 60_000, STORES, "neft")
    statement = build(town.house.warehouse, merchant_id=MERCHANT, start_date=DAY, end_date=NEXT_DAY)
    assert [line.kind for line in statement.lines] == ["cutover", "payout_sent", "payout_sent"]
    by_upi, by_neft = statement.lines[-2:]
    assert by_upi.mode == "UPI"
    assert by_upi.counterparty == "as***@ybl"
    assert by_upi.description.startswith("Payout to a beneficiary, pout_")
    assert by_neft.counterparty == "UTIB0000123, account ending 0001"
    assert [line.debit_minor for line in (by_upi, by_neft)] == [40_000, 60_000]
    assert statement.closing_minor == 10**9 - 100_000
