"""Escrows over HTTP: agreed on, funded, released, given back, frozen, disputed; and their books."""

from datetime import timedelta

import pytest

from online.disputes.domain import News
from online.kernel import ids
from online.kernel.events import Metadata
from online.merchants.domain import NewTerms
from online.operations.recovery import recover_once
from online.operations.verify import verify_books
from online.operations.worker import expire_once
from tests.gateways import UPI, gateway_on, settings_for

pytestmark = pytest.mark.anyio

BUYER_SAYS = {"all": [{"type": "approval", "by": "buyer"}]}
ME = Metadata(actor="test")


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report
        below = "select code from ledger_accounts where code like '%%:escrow:%%' and posted < 0"
        assert await opened.rows(below) == []


def name(gateway):
    return ids.encode("mrc", gateway.merchant.merchant.id)


def terms(gateway, *sellers, amount=1_000, **fields):
    """The owner's agreement with the sellers, in equal parts unless said otherwise."""
    bps = [10_000 // len(sellers)] * len(sellers)
    bps[0] += 10_000 - sum(bps)
    return {
        "amount": amount,
        "parties": [
            {"merchant": name(seller), "role": "seller", "share_bps": part}
            for seller, part in zip(sellers, bps, strict=True)
        ],
        "conditions": BUYER_SAYS,
        "expires_at": (gateway.services.clock.now() + timedelta(days=30)).isoformat(),
        "on_expiry": "refund",
        **fields,
    }


async def done(gateway, path, body=None, status=200):
    answer = await gateway.post(path, body or {})
    assert answer.status_code == status, answer.text
    return answer.json()


async def refused(gateway, path, body=None):
    answer = await gateway.post(path, body or {})
    assert answer.status_code >= 400, answer.text
    return answer.status_code, answer.json()["code"]


async def read(gateway, escrow):
    answer = await gateway.get(f"/escrows/{escrow['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def funded(gateway, *sellers, paid=True, **fields):
    """An escrow of a captured payment (or of what is pending), accepted and funded."""
    payment = await gateway.pay(fields.get("amount", 1_000), UPI)
    body = terms(gateway, *sellers, **fields)
    if paid:
        body["payment"] = payment["id"]
    escrow = await done(gateway, "/escrows", body, 201)
    for seller in sellers:
        escrow = await done(seller, f"/escrows/{escrow['id']}/accept")
    escrow = await done(gateway, f"/escrows/{escrow['id']}/fund")
    assert (escrow["status"], escrow["amount_held"]) == ("funded", body["amount"])
    return escrow


async def balance(gateway):
    answer = await gateway.get("/balance")
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["balances"]
    return found["pending"], found["escrow"]


def parts(escrow):
    return [(party["due"], party["paid"]) for party in escrow["parties"]]


async def test_what_is_agreed_on_is_set_aside_and_released(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    assert await balance(gateway) == (0, 1_000)
    id_ = escrow["id"]
    assert await refused(gateway, f"/escrows/{id_}/release") == (409, "conditions_not_met")
    said = await done(gateway, f"/escrows/{id_}/approve")
    assert said["conditions"]["met"]
    part = await done(seller, f"/escrows/{id_}/release", {"amount": 400})
    assert (part["status"], part["amount_held"], parts(part)) == ("funded", 600, [(600, 400)])
    assert await refused(seller, f"/escrows/{id_}/release", {"amount": 601}) == (
        422,
        "over_release",
    )
    whole = await done(seller, f"/escrows/{id_}/release")
    assert (whole["status"], whole["amount_released"]) == ("closed", 1_000)
    assert await balance(gateway) == (0, 0)
    assert await balance(seller) == (1_000, 0)


async def test_each_party_says_yes_with_its_own_credentials(gateway):
    one, other = await gateway.another_merchant(), await gateway.another_merchant()
    stranger = await gateway.another_merchant()
    escrow = await done(gateway, "/escrows", terms(gateway, one, other), 201)
    path = f"/escrows/{escrow['id']}"
    assert await refused(gateway, f"{path}/fund") == (409, "illegal_state")
    assert await refused(gateway, f"{path}/accept") == (403, "forbidden")
    assert await refused(stranger, f"{path}/accept") == (404, "not_found")
    assert (await stranger.get(path)).status_code == 404
    assert (await done(one, f"{path}/accept"))["status"] == "proposed"
    assert (await done(one, f"{path}/accept"))["status"] == "proposed"
    assert (await done(other, f"{path}/accept"))["status"] == "agreed"
    assert await refused(one, f"{path}/fund") == (403, "forbidden")
    assert await refused(gateway, f"{path}/fund") == (402, "insufficient_funds")
    assert [e["id"] for e in (await one.get("/escrows")).json()["data"]] == [escrow["id"]]
    assert (await stranger.get("/escrows")).json()["data"] == []
    assert (await done(one, f"{path}/cancel"))["status"] == "canceled"


async def test_three_sellers_and_a_platform_s_fee_get_every_unit(gateway):
    sellers = [await gateway.another_merchant() for _ in range(3)]
    shares = [
        *({"merchant": name(s), "role": "seller", "share_bps": b} for s, b in zip(
            sellers, (3_333, 3_333, 3_334), strict=True)),
        {"merchant": name(gateway), "role": "platform", "amount": 37},
    ]  # fmt: skip
    escrow = await funded(gateway, *sellers, parties=shares)
    assert [p["share"] for p in escrow["parties"]] == [321, 321, 321, 37]
    await done(gateway, f"/escrows/{escrow['id']}/approve")
    for amount in (1, 333, 7, 500, 159):
        escrow = await done(gateway, f"/escrows/{escrow['id']}/release", {"amount": amount})
        assert sum(paid for _, paid in parts(escrow)) == escrow["amount_released"]
    assert (escrow["status"], parts(escrow)) == ("closed", [(0, 321), (0, 321), (0, 321), (0, 37)])
    assert await balance(gateway) == (37, 0)
    assert [await balance(s) for s in sellers] == [(321, 0)] * 3


@pytest.mark.parametrize(
    ("conditions", "acts"),
    [
        ({"all": [{"type": "approval", "by": "seller"}]}, [("seller", "approve", {})]),
        (
            {"all": [{"type": "delivery", "by": "buyer"}, {"type": "approval", "by": "seller"}]},
            [("owner", "deliver", {"reference": "AWB 1"}), ("seller", "approve", {})],
        ),
        (
            {"any": [{"type": "delivery", "by": "seller"}, {"type": "approval", "by": "buyer"}]},
            [("seller", "deliver", {"reference": "AWB 2"})],
        ),
    ],
)
async def test_the_last_condition_releases_by_itself(gateway, conditions, acts):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller, conditions=conditions, release="automatic")
    who = {"owner": gateway, "seller": seller}
    for n, (voice, act, body) in enumerate(acts, start=1):
        shown = await done(who[voice], f"/escrows/{escrow['id']}/{act}", body)
        assert shown["status"] == ("closed" if n == len(acts) else "funded")
    assert await balance(seller) == (1_000, 0)


async def test_a_date_releases_by_itself(gateway):
    seller = await gateway.another_merchant()
    at = gateway.services.clock.now() + timedelta(days=3)
    dated = {"all": [{"type": "date", "at": at.isoformat()}]}
    escrow = await funded(gateway, seller, conditions=dated, release="automatic")
    await expire_once(gateway.services)
    assert (await read(gateway, escrow))["status"] == "funded"
    gateway.later(timedelta(days=3, seconds=1))
    await gateway.sign_in()
    await expire_once(gateway.services)
    assert (await read(gateway, escrow))["status"] == "closed"


# ── back to the buyer ────────────────────────────────────────────────────────────────────


async def give_back(gateway, escrow, amount):
    body = {"payment": escrow["payment"], "escrow": escrow["id"], "amount": amount}
    return await gateway.post("/refunds", body)


async def test_the_buyer_gets_a_part_back_and_the_parties_the_rest(gateway):
    one, other = await gateway.another_merchant(), await gateway.another_merchant()
    escrow = await funded(gateway, one, other)
    refund = (await give_back(gateway, escrow, 301)).json()
    assert (refund["status"], refund["escrow"]) == ("succeeded", escrow["id"])
    shown = await read(gateway, escrow)
    assert (shown["amount_held"], shown["amount_refunded"]) == (699, 301)
    assert parts(shown) == [(349, 0), (350, 0)]
    assert await balance(gateway) == (0, 699)
    assert (await gateway.payment(escrow["payment"]))["amount_refunded"] == 301
    await done(gateway, f"/escrows/{escrow['id']}/approve")
    late = await give_back(gateway, escrow, 1)
    assert (late.status_code, late.json()["code"]) == (409, "illegal_state")
    shown = await done(gateway, f"/escrows/{escrow['id']}/release")
    assert (shown["status"], parts(shown)) == ("closed", [(0, 349), (0, 350)])


async def test_a_refund_that_its_rail_refuses_is_in_escrow_again(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller, amount=300_000)
    refund = (await give_back(gateway, escrow, 110_102)).json()
    assert refund["status"] == "failed"
    shown = await read(gateway, escrow)
    assert (shown["amount_held"], shown["amount_refunding"]) == (300_000, 0)
    assert await balance(gateway) == (0, 300_000)


async def test_an_unknown_refund_keeps_its_part_out_of_reach(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller, amount=300_000)
    lost = await give_back(gateway, escrow, 110_109)
    assert lost.status_code == 202
    await done(gateway, f"/escrows/{escrow['id']}/approve")
    shown = await done(gateway, f"/escrows/{escrow['id']}/release")
    assert (shown["status"], shown["amount_refunding"]) == ("funded", 110_109)
    await gateway.recover(timedelta(minutes=10))
    await gateway.sign_in()
    shown = await read(gateway, escrow)
    assert (shown["status"], shown["amount_refunded"]) == ("closed", 110_109)


async def test_a_late_refund_of_what_was_released_is_the_owner_s(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller, amount=300_000)
    no = await give_back(gateway, escrow, 110_112)  # said to have failed, and done later
    assert no.json()["status"] == "failed"
    await done(gateway, f"/escrows/{escrow['id']}/approve")
    await done(gateway, f"/escrows/{escrow['id']}/release")
    gateway.later(timedelta(minutes=10))
    await gateway.sign_in()
    id_ = await gateway.scalar("select id from attempts where operation = 'refund'")
    async with gateway.services.database.connection() as connection:
        attempt = await gateway.services.attempts.get(connection, id_)
    assert attempt is not None
    await gateway.services.resolve(attempt, "test")
    assert (await read(gateway, escrow))["status"] == "closed"
    assert await balance(gateway) == (-110_112, 0)


async def test_of_no_payment_it_goes_back_to_its_owner(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller, paid=False)
    shown = await done(gateway, f"/escrows/{escrow['id']}/return", {"amount": 250})
    assert (shown["amount_held"], shown["amount_returned"]) == (750, 250)
    assert await balance(gateway) == (250, 750)


async def test_its_time_gives_it_back(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    gateway.later(timedelta(days=30, seconds=1))
    await gateway.sign_in()
    while await expire_once(gateway.services):
        pass
    shown = await read(gateway, escrow)
    assert (shown["status"], shown["amount_refunded"]) == ("closed", 1_000)
    assert (await gateway.payment(escrow["payment"]))["status"] == "refunded"


async def test_its_time_releases_it_where_that_was_agreed(gateway):
    seller = await gateway.another_merchant()
    await funded(gateway, seller, on_expiry="release")
    gateway.later(timedelta(days=30, seconds=1))
    await gateway.sign_in()
    await seller.sign_in()
    while await expire_once(gateway.services):
        pass
    assert await balance(seller) == (1_000, 0)


async def test_what_the_buyer_has_got_back_otherwise_is_the_owner_s(gateway):
    """Refunded out of the owner's other money while it was frozen: nobody is paid twice."""
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    path = f"/escrows/{escrow['id']}"
    await gateway.pay(5_000, UPI)
    await done(gateway, f"{path}/freeze", {"reason": "x"})
    await done(gateway, "/refunds", {"payment": escrow["payment"], "amount": 700}, 201)
    half = {"outcome": "split", "refund": 1_000}
    await done(gateway, f"{path}/resolve", half)
    await done(seller, f"{path}/resolve", half)
    while await expire_once(gateway.services):
        pass
    shown = await read(gateway, escrow)
    assert (shown["status"], shown["amount_refunded"]) == ("closed", 300)
    assert shown["amount_returned"] == 700
    assert await balance(gateway) == (5_000, 0)
    assert (await gateway.payment(escrow["payment"]))["status"] == "refunded"


async def test_no_exposure_limit_lends_to_an_escrow(gateway):
    """It may be below zero for what payers take back, never for what goes to other merchants."""
    seller = await gateway.another_merchant()
    lent = NewTerms(exposure_limit_minor=100_000)
    id_ = gateway.merchant.merchant.id
    await gateway.services.merchants.change_terms(id_, lent, lambda _: None, "test")
    payment = await gateway.pay(1_000, UPI)
    escrow = await done(gateway, "/escrows", terms(gateway, seller, amount=1_001), 201)
    await done(seller, f"/escrows/{escrow['id']}/accept")
    assert await refused(gateway, f"/escrows/{escrow['id']}/fund") == (402, "insufficient_funds")
    await done(gateway, "/refunds", {"payment": payment["id"], "amount": 400}, 201)
    escrow = await done(gateway, "/escrows", terms(gateway, seller, amount=600), 201)
    await done(seller, f"/escrows/{escrow['id']}/accept")
    await done(gateway, f"/escrows/{escrow['id']}/fund")
    assert await balance(gateway) == (0, 600)


# ── what a payment may not do meanwhile ──────────────────────────────────────────────────


async def test_a_rupee_of_a_payment_is_set_aside_once(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    await gateway.pay(5_000, UPI)  # the merchant has other money
    again = terms(gateway, seller, amount=1, payment=escrow["payment"])
    second = await done(gateway, "/escrows", again, 201)
    await done(seller, f"/escrows/{second['id']}/accept")
    assert await refused(gateway, f"/escrows/{second['id']}/fund") == (422, "over_escrowed")
    no = await refused(gateway, f"/payments/{escrow['payment']}/reverse")
    assert no == (409, "illegal_state")


async def test_what_is_in_escrow_cannot_be_refunded_without_it(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    no = await refused(gateway, "/refunds", {"payment": escrow["payment"], "amount": 1})
    assert no == (402, "insufficient_funds")


# ── frozen ───────────────────────────────────────────────────────────────────────────────


async def test_nothing_moves_while_it_is_frozen(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    path = f"/escrows/{escrow['id']}"
    await done(gateway, f"{path}/approve")
    shown = await done(seller, f"{path}/freeze", {"reason": "wrong goods"})
    assert (shown["status"], shown["frozen_reason"]) == ("frozen", "wrong goods")
    assert await refused(seller, f"{path}/release") == (409, "escrow_frozen")
    assert (await give_back(gateway, escrow, 1)).json()["code"] == "escrow_frozen"
    gateway.later(timedelta(days=31))
    await gateway.sign_in()
    await seller.sign_in()
    await expire_once(gateway.services)
    assert (await read(gateway, escrow))["amount_held"] == 1_000


async def test_both_say_the_same_and_it_is_split(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    path = f"/escrows/{escrow['id']}"
    await done(gateway, f"{path}/freeze", {"reason": "half of it broke"})
    split = {
        "outcome": "split",
        "refund": 400,
        "shares": [{"merchant": name(seller), "amount": 600}],
    }
    assert (await done(gateway, f"{path}/resolve", split))["status"] == "frozen"
    other = {"outcome": "split", "refund": 1_000}
    assert (await done(seller, f"{path}/resolve", other))["status"] == "frozen"
    shown = await done(seller, f"{path}/resolve", split)
    assert (shown["status"], shown["amount_released"]) == ("funded", 600)
    assert shown["amount_due_to_buyer"] == 400
    await expire_once(gateway.services)
    shown = await read(gateway, escrow)
    assert (shown["status"], shown["amount_refunded"]) == ("closed", 400)
    assert await balance(seller) == (600, 0)


async def test_a_split_is_of_all_that_is_there(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    await done(gateway, f"/escrows/{escrow['id']}/freeze", {"reason": "x"})
    no = await refused(
        gateway, f"/escrows/{escrow['id']}/resolve", {"outcome": "split", "refund": 999}
    )
    assert no == (422, "invalid_request")


# ── the payer's bank disputes the payment ────────────────────────────────────────────────


async def tell(gateway, payment, status, amount=1_000):
    reference = await gateway.scalar(
        "select id from attempts where payment_id = %s and operation = 'authorize'",
        ids.decode("pay", payment),
    )
    rail = await gateway.scalar(
        "select rail from payments where id = %s", ids.decode("pay", payment)
    )
    news = News(
        rail=rail,
        reference="CB-1",
        original_reference=ids.encode("att", reference),
        amount_minor=amount,
        currency="INR",
        reason_code="13.1",
        status=status,
        respond_by=gateway.services.clock.now() + timedelta(days=10),
    )
    (taken,) = await gateway.services.disputes.take_in([news], livemode=False, metadata=ME)
    assert taken.status == "posted", taken


async def test_a_chargeback_takes_what_is_in_escrow_first_and_freezes_the_rest(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    await done(gateway, f"/escrows/{escrow['id']}/approve")
    await done(gateway, f"/escrows/{escrow['id']}/release", {"amount": 300})
    await tell(gateway, escrow["payment"], "open", 500)
    shown = await read(gateway, escrow)
    assert (shown["status"], shown["amount_held"], shown["amount_disputed"]) == (
        "frozen",
        200,
        500,
    )
    assert await balance(gateway) == (0, 200)
    assert await refused(seller, f"/escrows/{escrow['id']}/release") == (409, "escrow_frozen")
    await tell(gateway, escrow["payment"], "won", 500)
    shown = await read(gateway, escrow)
    assert (shown["status"], shown["amount_held"]) == ("funded", 700)
    assert await balance(gateway) == (0, 700)
    shown = await done(seller, f"/escrows/{escrow['id']}/release")
    assert shown["status"] == "closed"


async def test_a_lost_chargeback_is_gone_and_the_rest_goes_on(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    await done(gateway, f"/escrows/{escrow['id']}/approve")
    await tell(gateway, escrow["payment"], "open", 600)
    await tell(gateway, escrow["payment"], "lost", 600)
    shown = await read(gateway, escrow)
    assert (shown["status"], shown["amount_held"], shown["amount_charged_back"]) == (
        "funded",
        400,
        600,
    )
    shown = await done(seller, f"/escrows/{escrow['id']}/release")
    assert (shown["status"], await balance(seller)) == ("closed", (400, 0))


async def test_of_what_was_released_the_owner_bears_the_chargeback(gateway):
    seller = await gateway.another_merchant()
    escrow = await funded(gateway, seller)
    await done(gateway, f"/escrows/{escrow['id']}/approve")
    await done(gateway, f"/escrows/{escrow['id']}/release", {"amount": 900})
    await tell(gateway, escrow["payment"], "open", 1_000)
    assert await balance(gateway) == (-900, 0)
    await tell(gateway, escrow["payment"], "won", 1_000)
    assert await balance(gateway) == (0, 100)


async def test_recovery_finds_nothing_to_do(gateway):
    seller = await gateway.another_merchant()
    await funded(gateway, seller)
    assert await recover_once(gateway.services) == 0
