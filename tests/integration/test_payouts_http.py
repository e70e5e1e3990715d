"""Payouts over HTTP, against the rails in the process: whom, how much, and what comes of it."""

from datetime import date, timedelta
from typing import Any

import msgspec
import pytest

from online.attempts.returned import Returned
from online.kernel import ids
from online.kernel.clock import business_date
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger.change import Change
from online.ledger.journal import Journal, credit, debit
from online.merchants.domain import NewTerms
from online.operations.verify import verify_books
from online.operations.worker import pay_once
from online.rails.domain import Outcome, OutcomeKind
from tests.callbacks import body_of, tell
from tests.gateways import Gateway, gateway_on, settings_for

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
ASHA = {"name": "Asha Kulkarni", "vpa": "asha@khata"}
STORES = {"name": "Sagar Kirana Stores", "account": "919020000001", "ifsc": "UTIB0000123"}


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        await on_demand(opened)
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


async def on_demand(gateway: Gateway) -> None:
    """The merchant's contract: settlements stay payable."""
    await gateway.services.merchants.change_terms(
        gateway.merchant.merchant.id, NewTerms(payouts="on_demand"), lambda _: None, "test"
    )


async def funded(gateway: Gateway, amount: int) -> None:
    """Money that was settled before, payable now."""
    merchant, now = gateway.merchant.merchant, gateway.services.clock.now()
    journal = Journal(
        cause=ids.new(now),
        kind="cutover",
        currency="INR",
        postings=(
            debit(chart.bank("hdfc"), amount),
            credit(chart.merchant_payable(merchant.id), amount),
        ),
        business_date=business_date(now),
        effective_at=now,
        livemode=False,
        merchant_id=merchant.id,
    )
    await gateway.services.writer.submit(Change(journals=(journal,)))


async def beneficiary(gateway: Gateway, named: Any = ASHA) -> Any:
    answer = await gateway.post("/payout-beneficiaries", named)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def usable(gateway: Gateway, named: Any = ASHA) -> str:
    """One whose waiting is over."""
    made = await beneficiary(gateway, named)
    assert made["status"] == "cooling", made
    gateway.later(DAY)
    await gateway.sign_in()
    return str(made["id"])


async def payable(gateway: Gateway) -> int:
    answer = await gateway.get("/balance")
    return int(answer.json()["balances"][0]["payable"])


async def test_a_payout_leaves_the_payable_balance(gateway):
    await funded(gateway, 100_000)
    assert await payable(gateway) == 100_000
    to = await usable(gateway)
    answer = await gateway.post("/payouts", {"beneficiary": to, "amount": 40_000})
    assert answer.status_code == 201, answer.text
    shown = answer.json()
    assert (shown["status"], shown["mode"], shown["purpose_code"]) == ("paid", "upi", "15")
    assert shown["account_masked"] == "as***@khata"
    assert len(shown["utr"]) == 12
    assert await payable(gateway) == 60_000
    assert (await gateway.get(f"/payouts/{shown['id']}")).json() == shown
    assert (await gateway.get("/payouts")).json()["data"] == [shown]


async def test_a_bank_account_is_verified_by_a_rupee_of_our_own(gateway):
    await funded(gateway, 100_000)
    made = await beneficiary(gateway, STORES)
    assert (made["status"], made["verification"], made["name_score"]) == (
        *("cooling", "penny_drop"),
        100,
    )
    assert made["account_masked"] == "XXXXXXXX0001"
    assert made["name_masked"] == "S**** K***** S*****"
    books = dict(
        await gateway.rows("select code, sum(posted)::bigint from ledger_accounts group by code")
    )
    assert books["costs:rail:bank_hdfc"] == -100
    assert books["payouts:bank_hdfc:in_transit"] == 100
    assert await payable(gateway) == 100_000


async def test_nothing_outside_the_vault_tells_the_account(gateway):
    await beneficiary(gateway, STORES)
    await beneficiary(gateway, ASHA)
    tables = await gateway.rows(
        "select relname from pg_class where relkind in ('r', 'p') and relnamespace ="
        " 'public'::regnamespace and has_table_privilege(oid, 'select')"
    )
    assert ("sealed_texts",) in tables
    for (table,) in tables:
        for secret in (STORES["account"], ASHA["vpa"], "Kulkarni", "Kirana"):
            sql = f"select count(*) from {table} t where t::text ilike %s"
            assert not await gateway.scalar(sql, f"%{secret}%"), (table, secret)


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"name": "Asha Kulkarni", "vpa": "stranger@khata"}, "name_mismatch"),
        ({"name": "Asha Kulkarni", "vpa": "nobody@khata"}, "name_unknown"),
        ({**STORES, "account": "9990000777"}, "name_mismatch"),
        ({**STORES, "account": "9990000404"}, "account_not_found"),
    ],
)
async def test_somebody_elses_account_is_rejected(gateway, named, code):
    made = await beneficiary(gateway, named)
    assert (made["status"], made["failure_code"]) == ("rejected", code)
    refused = await gateway.post("/payouts", {"beneficiary": made["id"], "amount": 100})
    assert (refused.status_code, refused.json()["code"]) == (409, "beneficiary_not_usable")
    changed = await gateway.post(f"/payout-beneficiaries/{made['id']}", ASHA, key=None)
    assert (changed.json()["status"], changed.json()["edition"]) == ("cooling", 2)


async def test_nobody_is_paid_while_they_cool(gateway):
    await funded(gateway, 100_000)
    made = await beneficiary(gateway)
    order = {"beneficiary": made["id"], "amount": 100}
    for later in (timedelta(), DAY - timedelta(minutes=1)):
        gateway.later(later)
        await gateway.sign_in()
        refused = await gateway.post("/payouts", order)
        assert (refused.status_code, refused.json()["code"]) == (409, "beneficiary_not_usable")
    gateway.later(timedelta(minutes=2))
    assert (await gateway.post("/payouts", order)).status_code == 201
    # The worker says what the clock has made so.
    assert await pay_once(gateway.services) == 1
    shown = await gateway.get(f"/payout-beneficiaries/{made['id']}")
    assert shown.json()["status"] == "usable"
    # Another account cools anew; the same again is none.
    path = f"/payout-beneficiaries/{made['id']}"
    same = await gateway.post(path, ASHA, key=None)
    assert (same.json()["status"], same.json()["edition"]) == ("usable", 1)
    changed = await gateway.post(path, {**ASHA, "vpa": "asha2@khata"}, key=None)
    assert (changed.json()["status"], changed.json()["edition"]) == ("cooling", 2)
    refused = await gateway.post("/payouts", order)
    assert refused.json()["code"] == "beneficiary_not_usable"


async def test_more_than_is_payable_is_refused(gateway):
    await funded(gateway, 100)
    to = await usable(gateway)
    refused = await gateway.post("/payouts", {"beneficiary": to, "amount": 101})
    assert (refused.status_code, refused.json()["code"]) == (402, "insufficient_funds")
    assert await gateway.scalar("select count(*) from payouts") == 0
    assert (await gateway.post("/payouts", {"beneficiary": to, "amount": 100})).status_code == 201


@pytest.mark.parametrize(
    ("amount", "mode", "given", "digits"),
    [
        (1_00, None, "imps", 12),
        (5_00_000_00, None, "imps", 12),
        (5_00_000_01, None, "rtgs", 22),
        (1_00, "neft", "neft", 16),
        (2_00_000_00, "rtgs", "rtgs", 22),
    ],
)
async def test_the_amount_decides_the_way(gateway, amount, mode, given, digits):
    await funded(gateway, amount)
    to = await usable(gateway, STORES)
    order = {"beneficiary": to, "amount": amount, **({"mode": mode} if mode else {})}
    paid = (await gateway.post("/payouts", order)).json()
    assert (paid["status"], paid["mode"], len(paid["utr"])) == ("paid", given, digits)


@pytest.mark.parametrize(
    ("order", "param"),
    [
        ({"amount": 1_99_999_99, "mode": "rtgs"}, "amount"),
        ({"amount": 100, "mode": "upi"}, "mode"),
        ({"amount": 100, "purpose": "bribe"}, "purpose"),
        ({"amount": 100, "scheduled_at": "2020-01-01T00:00:00Z"}, "scheduled_at"),
    ],
)
async def test_what_no_bank_does_is_refused(gateway, order, param):
    await funded(gateway, 10**9)
    to = await usable(gateway, STORES)
    refused = await gateway.post("/payouts", {"beneficiary": to, **order})
    assert (refused.status_code, refused.json()["param"]) == (422, param)


async def test_a_bank_that_says_no_gives_the_money_back(gateway):
    await funded(gateway, 110_104)
    to = await usable(gateway, STORES)
    # 1101.02: declined; 1101.04: a technical failure.
    for amount, said in ((110_102, "declined"), (110_104, "failed")):
        paid = await gateway.post("/payouts", {"beneficiary": to, "amount": amount})
        assert (paid.status_code, paid.json()["status"]) == (201, said)
        assert await payable(gateway) == 110_104
    used = await gateway.rows("select distinct used from limit_counters where rule like 'payout%%'")
    assert used == [(0,)]


async def test_an_answer_that_is_lost_is_asked_for_and_never_sent_again(gateway):
    await funded(gateway, 110_109)
    to = await usable(gateway, STORES)
    body = {"beneficiary": to, "amount": 110_109}
    first = await gateway.post("/payouts", body, key="once")
    assert (first.status_code, first.json()["status"]) == (202, "unknown")
    again = await gateway.post("/payouts", body, key="once")
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert await payable(gateway) == 0
    assert await gateway.recover() == 1
    await gateway.sign_in()
    shown = (await gateway.get(f"/payouts/{first.json()['id']}")).json()
    assert shown["status"] == "paid"
    assert await gateway.scalar("select count(*) from attempts where order_id like 'pout%%'") == 1


async def test_one_that_waits_for_its_time_is_sent_then_or_canceled(gateway):
    await funded(gateway, 100)
    to = await usable(gateway)
    at = (gateway.services.clock.now() + timedelta(hours=3)).isoformat()
    body = {"beneficiary": to, "amount": 60, "scheduled_at": at}
    made = [(await gateway.post("/payouts", body)).json() for _ in range(3)]
    assert [each["status"] for each in made] == ["scheduled"] * 3
    canceled = await gateway.post(f"/payouts/{made[0]['id']}/cancel", {}, key=None)
    assert canceled.json()["status"] == "canceled"
    assert await pay_once(gateway.services) == 1  # the beneficiary has cooled
    gateway.later(timedelta(hours=4))
    await gateway.sign_in()
    assert await pay_once(gateway.services) == 2
    listed = (await gateway.get("/payouts?limit=5")).json()["data"]
    ends = sorted((each["status"], each["failure_code"]) for each in listed)
    assert [ends[0], ends[1]] == [("canceled", None), ("failed", "insufficient_funds")]
    assert ends[2][0] == "paid"
    refused = await gateway.post(f"/payouts/{made[1]['id']}/cancel", {}, key=None)
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")


async def test_one_that_waits_fails_when_its_account_was_changed(gateway):
    await funded(gateway, 100)
    to = await usable(gateway)
    at = (gateway.services.clock.now() + timedelta(days=3)).isoformat()
    made = await gateway.post("/payouts", {"beneficiary": to, "amount": 60, "scheduled_at": at})
    await gateway.post(f"/payout-beneficiaries/{to}", {**ASHA, "vpa": "bee@khata"}, key=None)
    gateway.later(timedelta(days=4))
    await gateway.sign_in()
    await pay_once(gateway.services)
    shown = (await gateway.get(f"/payouts/{made.json()['id']}")).json()
    assert (shown["status"], shown["failure_code"]) == ("failed", "beneficiary_not_usable")
    assert await payable(gateway) == 100


async def test_what_the_bank_sends_back_is_payable_again_once(gateway):
    await funded(gateway, 5_000)
    to = await usable(gateway, STORES)
    paid = (await gateway.post("/payouts", {"beneficiary": to, "amount": 5_000})).json()
    service = await gateway.credentials("service")
    line = {"attempt_id": paid["attempt_id"], "amount": 5_000, "returned_on": "2026-11-20"}
    for said in ("recorded", "exists"):
        answer = await gateway.client.post(
            "/internal/v1/payout-returns", content=msgspec.json.encode(line), headers=service
        )
        told = msgspec.json.decode(answer.content.splitlines()[0])
        assert told["status"] == said, told
    shown = (await gateway.get(f"/payouts/{paid['id']}")).json()
    assert shown["status"] == "returned"
    assert await payable(gateway) == 5_000


async def test_a_penny_that_comes_back_stops_its_beneficiary(gateway):
    made = await beneficiary(gateway, STORES)
    attempt = await gateway.scalar("select attempt_id from payout_beneficiaries")
    back = Returned(attempt_id=attempt, amount_minor=100, returned_on=date(2026, 11, 20))
    meta = Metadata(actor="test")
    assert await gateway.services.returns.record(back, meta) == made["id"]
    assert await gateway.services.returns.record(back, meta) is None
    shown = (await gateway.get(f"/payout-beneficiaries/{made['id']}")).json()
    assert (shown["status"], shown["failure_code"]) == ("disabled", "penny_returned")


async def test_who_is_paid_by_itself_orders_nothing(gateway):
    other = await gateway.another_merchant()
    made = await other.post("/payout-beneficiaries", ASHA)
    other.later(DAY)
    await other.sign_in()
    refused = await other.post("/payouts", {"beneficiary": made.json()["id"], "amount": 1})
    assert (refused.status_code, refused.json()["code"]) == (409, "payouts_not_on_demand")


async def test_nobody_sees_anothers(gateway):
    to = await usable(gateway)
    other = await gateway.another_merchant()
    await on_demand(other)
    for path in (f"/payout-beneficiaries/{to}",):
        assert (await other.get(path)).status_code == 404
        assert (await other.post(f"{path}/disable", {}, key=None)).status_code == 404
    assert (await other.post("/payouts", {"beneficiary": to, "amount": 1})).status_code == 404
    assert (await other.get("/payouts")).json()["data"] == []


async def test_the_banks_own_word_ends_one_that_was_pending(gateway):
    await funded(gateway, 110_105)
    to = await usable(gateway, STORES)
    order = {"beneficiary": to, "amount": 110_105}
    waiting = (await gateway.post("/payouts", order)).json()
    assert waiting["status"] == "processing"
    body = body_of(waiting["attempt_id"], rail_reference="632018973963")
    for _ in range(2):
        assert (await tell(gateway.services, gateway.client, "bank_hdfc", body)).status_code == 202
    shown = (await gateway.get(f"/payouts/{waiting['id']}")).json()
    assert (shown["status"], shown["utr"]) == ("paid", "632018973963")
    assert await payable(gateway) == 0


async def test_a_late_yes_after_a_no_takes_the_money_again(gateway):
    await funded(gateway, 110_104)
    to = await usable(gateway, STORES)
    failed = (await gateway.post("/payouts", {"beneficiary": to, "amount": 110_104})).json()
    assert failed["status"] == "failed"
    assert await payable(gateway) == 110_104
    attempt = ids.decode("att", failed["attempt_id"])
    async with gateway.services.database.connection() as connection:
        found = await gateway.services.attempts.get(connection, attempt)
    yes = Outcome(kind=OutcomeKind.APPROVED, code="00", rail_reference="632018973963")
    for _ in range(2):
        await gateway.services.resolve(found, "test", yes)
    shown = (await gateway.get(f"/payouts/{failed['id']}")).json()
    assert (shown["status"], shown["utr"]) == ("paid", "632018973963")
    assert await payable(gateway) == 0
    # And what was found is sent back like any other.
    back = Returned(attempt_id=attempt, amount_minor=110_104, returned_on=date(2026, 11, 20))
    assert await gateway.services.returns.record(back, Metadata(actor="test")) == failed["id"]
    assert await payable(gateway) == 110_104


async def test_a_rupee_without_an_answer_is_asked_about(gateway):
    answer = await gateway.post("/payout-beneficiaries", {**STORES, "account": "9990000068"})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert await gateway.recover() == 1
    await gateway.sign_in()
    shown = await gateway.get(f"/payout-beneficiaries/{answer.json()['id']}")
    assert (shown.json()["status"], shown.json()["name_score"]) == ("cooling", 100)
    sent = "select count(*) from attempts where order_id like 'bnf%%'"
    assert await gateway.scalar(sent) == 1


async def test_a_merchant_names_so_many_a_day(gateway):
    """Each rupee is ours, and each answer tells something about a stranger's account."""
    rules = gateway.services.beneficiaries._with.rules
    few = tuple(msgspec.structs.replace(row, per_day=2) for row in rules.verification)
    with_ = gateway.services.beneficiaries._verification._with
    gateway.services.beneficiaries._verification._with = msgspec.structs.replace(
        with_, rules=msgspec.structs.replace(rules, verification=few)
    )
    made = [await beneficiary(gateway, {**STORES, "account": f"91902000000{n}"}) for n in range(2)]
    for path in ("/payout-beneficiaries", f"/payout-beneficiaries/{made[0]['id']}"):
        refused = await gateway.post(path, {**STORES, "account": "919020000009"})
        assert (refused.status_code, refused.json()["code"]) == (422, "limit_exceeded")
    await beneficiary(gateway, ASHA)  # of another kind
    gateway.later(DAY)
    await gateway.sign_in()
    await beneficiary(gateway, STORES)
