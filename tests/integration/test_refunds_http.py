"""Refunds and merchants' terms over HTTP. After each test the books are derived from the log."""

import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from tests.callbacks import body_of, tell
from tests.fakes import DECLINED, PENDING, ScriptedRail
from tests.gateways import gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio
ADMIN_TOKEN = "operator-token-of-these-tests"


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    settings = settings_for(database_url, tmp_path, KHATA_SECURITY__ADMIN_TOKEN=ADMIN_TOKEN)
    async with gateway_on(settings) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


@pytest.fixture
def rail(gateway):
    """The rail of UPI payments, which does as it is told."""
    scripted = ScriptedRail("upi_hdfc")
    gateway.services.rails._rails["upi_hdfc"] = scripted
    return scripted


@pytest.fixture
def merchant_id(gateway):
    return ids.encode("mrc", gateway.merchant.merchant.id)


@pytest.fixture
def admin():
    """Headers of the operator."""
    return {"Authorization": f"Bearer {ADMIN_TOKEN}"}


async def refund(gateway, payment, amount=None, **more):
    body = {"payment": payment["id"], **({"amount": amount} if amount else {})}
    return await gateway.post("/refunds", body, **more)


# ── one refund ───────────────────────────────────────────────────────────────────────────


async def test_a_refund_and_how_it_reads(gateway, rail):
    paid = await gateway.pay(1_000_00)
    answer = await refund(gateway, paid, 400_00)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert {
        "payment": paid["id"], "amount": 400_00, "currency": "INR", "status": "succeeded",
        "failure_code": None, "rail": "upi_hdfc", "fee_returned": 0, "tax_returned": 0,
    }.items() <= made.items()  # fmt: skip
    read = await gateway.get(f"/refunds/{made['id']}")
    assert (read.json(), read.headers["ETag"]) == (made, '"v2"')


async def test_a_slow_rail_is_answered_202_and_ends_by_its_callback(gateway, rail):
    paid = await gateway.pay(1_000_00)
    rail.next.append(PENDING)
    first = await refund(gateway, paid, 400_00, key="slow")
    assert (first.status_code, first.json()["status"]) == (202, "pending")
    # The rail has taken it: the same key reads it, nothing is sent again.
    again = await refund(gateway, paid, 400_00, key="slow")
    assert (again.status_code, again.json()) == (202, first.json())
    assert len(rail.asked) == 2
    body = body_of(rail.asked[1].reference)
    answer = await tell(gateway.services, gateway.client, "upi_hdfc", body)
    assert answer.status_code == 202
    done = await gateway.get(f"/refunds/{first.json()['id']}")
    assert done.json()["status"] == "succeeded"
    last = await refund(gateway, paid, 400_00, key="slow")
    assert (last.status_code, last.json()) == (201, done.json())


async def test_a_slow_rail_is_asked_by_recovery(gateway, rail):
    paid = await gateway.pay(1_000_00)
    rail.next.append(PENDING)
    made = (await refund(gateway, paid, 400_00)).json()
    rail.enquiries.extend([PENDING, DECLINED])
    await gateway.recover()
    assert (await gateway.get(f"/refunds/{made['id']}")).json()["status"] == "pending"
    await gateway.recover()
    failed = (await gateway.get(f"/refunds/{made['id']}")).json()
    assert (failed["status"], failed["failure_code"]) == ("failed", "do_not_honor")
    assert (await gateway.payment(paid["id"]))["amount_refunded"] == 0
    assert (await refund(gateway, paid)).status_code == 201


async def test_two_at_once_never_pass_what_was_captured(gateway, rail):
    paid = await gateway.pay(100)
    rail.next.append(PENDING)
    assert (await refund(gateway, paid, 60)).status_code == 202
    second = await refund(gateway, paid, 60)
    assert (second.status_code, second.json()["code"]) == (422, "over_refund")
    assert (await refund(gateway, paid, 40)).status_code == 201


async def test_beyond_the_exposure_limit_it_is_402(gateway, rail, merchant_id, admin):
    path = f"/merchants/{merchant_id}"
    paid = await gateway.pay(10_000_00, await gateway.card())
    refused = await refund(gateway, paid, 10_000_00)  # the fee of 212.40 is gone from it
    assert (refused.status_code, refused.json()["code"]) == (402, "insufficient_funds")
    changed = await gateway.post(path, {"exposure_limit": 212_40}, key=None, headers=admin)
    assert (changed.status_code, changed.json()["exposure_limit"]) == (200, 212_40)
    assert (await refund(gateway, paid, 10_000_00)).status_code == 201


async def test_while_a_reversal_is_open_nothing_is_refunded(gateway, rail):
    paid = await gateway.pay(1_000_00)
    rail.next.append(PENDING)
    reversing = await gateway.post(f"/payments/{paid['id']}/reverse", {})
    assert reversing.status_code == 202, reversing.text
    refused = await refund(gateway, paid, 1)
    assert (refused.status_code, refused.json()["code"]) == (422, "over_refund")
    rail.enquiries.append(DECLINED)
    await gateway.recover()
    assert (await refund(gateway, paid, 1)).status_code == 201


# ── lists ────────────────────────────────────────────────────────────────────────────────


async def test_refunds_newest_first_by_cursor(gateway, rail):
    paid = await gateway.pay(1_000_00)
    other = await gateway.pay(1_000_00)
    made = [(await refund(gateway, paid, n)).json()["id"] for n in (1, 2, 3)]
    rail.next.append(PENDING)
    made.append((await refund(gateway, other, 4)).json()["id"])
    newest = sorted(made, reverse=True)

    async def listed(query):
        answer = await gateway.get(f"/refunds{query}")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert (body["object"], body["url"]) == ("list", "/api/v1/refunds")
        return [each["id"] for each in body["data"]], body["has_more"]

    assert await listed("") == (newest, False)
    assert await listed("?limit=2") == (newest[:2], True)
    assert await listed(f"?limit=2&starting_after={newest[1]}") == (newest[2:], False)
    of_paid = [id_ for id_ in newest if id_ in made[:3]]
    assert await listed(f"?payment={paid['id']}") == (of_paid, False)
    assert await listed(f"?payment={paid['id']}&limit=1") == (of_paid[:1], True)
    assert await listed("?status=pending") == (made[3:], False)
    assert await listed(f"?status=pending&payment={paid['id']}") == ([], False)
    for query in ("?status=gone", "?limit=0", "?payment=rfd_1", f"?starting_after={paid['id']}"):
        assert (await gateway.get(f"/refunds{query}")).status_code == 422
    stranger = await gateway.another_merchant()
    assert (await stranger.get("/refunds")).json()["data"] == []
    assert (await stranger.get(f"/refunds?payment={paid['id']}")).json()["data"] == []


# ── terms ────────────────────────────────────────────────────────────────────────────────


async def test_the_operator_changes_terms(gateway, rail, merchant_id, admin):
    path = f"/merchants/{merchant_id}"
    read = await gateway.client.get(f"/api/v1{path}", headers=admin)
    assert (read.headers["ETag"], read.json()["mdr_on_refund"]) == ('"v1"', "kept")
    body = {"mdr_on_refund": "returned", "settlement_days": 2, "exposure_limit": 10_000_00}
    changed = await gateway.post(path, body, key=None, headers=admin | {"If-Match": '"v1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    assert body.items() <= changed.json().items()
    stale = await gateway.post(
        path, {"settlement_days": 3}, key=None, headers=admin | {"If-Match": '"v1"'}
    )
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition_failed")
    paid = await gateway.pay(10_000_00, await gateway.card())
    made = (await refund(gateway, paid)).json()
    assert (made["fee_returned"], made["tax_returned"]) == (180_00, 32_40)


@pytest.mark.parametrize(
    "body",
    [
        {"mdr_on_refund": "perhaps"}, {"exposure_limit": -1}, {"settlement_days": 31},
        {"size": "tiny"}, {"name": "Another"}, {"exposure_limit": "1"},
    ],
)  # fmt: skip
async def test_terms_are_read_strictly(gateway, merchant_id, admin, body):
    answer = await gateway.post(f"/merchants/{merchant_id}", body, key=None, headers=admin)
    assert answer.status_code == 422


async def test_terms_are_the_operators_business(gateway, merchant_id, admin):
    path = f"/merchants/{merchant_id}"
    assert (await gateway.post(path, {"exposure_limit": 1}, key=None)).status_code == 403
    missing = await gateway.post(
        f"/merchants/{merchant_id[:-4]}zzzz", {"exposure_limit": 1}, key=None, headers=admin
    )
    assert missing.status_code == 404


# ── from the card's BIN and the rail's word to the price ─────────────────────────────────


def luhn(prefix):
    """A card number that begins so and holds."""
    body = prefix.ljust(15, "0")
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


@pytest.mark.parametrize(
    ("prefix", "fee", "tax"),
    [
        ("424242", 180_00, 32_40),  # credit
        ("40000566", 90_00, 16_20),  # debit
        ("60700000", 0, 0),  # RuPay debit
        ("81000000", 180_00, 32_40),  # RuPay credit
    ],
)
async def test_a_card_is_priced_by_what_its_bin_says(gateway, prefix, fee, tax):
    paid = await gateway.pay(10_000_00, await gateway.card(luhn(prefix)))
    assert (paid["fee"], paid["tax"]) == (fee, tax)


@pytest.mark.parametrize(
    ("vpa", "amount", "fee", "tax"),
    [
        ("asha@khata", 10_000_00, 0, 0),
        ("wallet@khata", 10_000_00, 110_00, 19_80),
        ("wallet@khata", 2_000_00, 0, 0),
        ("credit@khata", 10_000_00, 200_00, 36_00),
        ("credit@khata", 2_000_00, 40_00, 0),
    ],
)
async def test_upi_is_priced_by_where_the_rail_says_the_money_came_from(
    gateway, vpa, amount, fee, tax
):
    paid = await gateway.pay(amount, upi(vpa))
    assert (paid["fee"], paid["tax"]) == (fee, tax)


@pytest.mark.parametrize(("amount", "status"), [(100_160, "succeeded"), (100_161, "failed")])
async def test_the_sandbox_has_slow_refunds(gateway, amount, status):
    paid = await gateway.pay(2_000_00)
    made = await refund(gateway, paid, amount)
    assert (made.status_code, made.json()["status"]) == (202, "pending")
    await gateway.recover()
    assert (await gateway.get(f"/refunds/{made.json()['id']}")).json()["status"] == status
