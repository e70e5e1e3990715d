"""The payer's internet address: one of each is recognised, none is stored."""

import pytest

from online.operations.verify import verify_books
from tests.gateways import UPI, gateway_on, settings_for

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


async def keys(gateway) -> list[str | None]:
    rows = await gateway.rows("select ip_key from risk_activity order by at")
    return [key for (key,) in rows]


async def test_a_payment_keeps_a_hash_of_the_address_and_nothing_else(gateway):
    body = {"amount": 100_00, "payment_method": UPI, "ip_address": "203.0.113.77"}
    answer = await gateway.post("/payments", body)
    assert answer.status_code == 201, answer.text
    assert "203.0.113" not in answer.text
    (key,) = await keys(gateway)
    assert len(key) == 64
    (event,) = await gateway.rows(
        "select data::text, data ->> 'ip_hash' from payment_events"
        " where event_type = 'payment.created'"
    )
    assert event[1] == key
    assert "203.0.113" not in event[0]
    assert await gateway.rows("select ip_hash from payments") == [(key,)]


async def test_the_next_payment_from_an_address_sees_the_first(gateway):
    assess = {"amount": 100_00, "payment_method": {"type": "upi", "vpa": "new@khata"}}
    for address in ("2001:db8:7:1::1", "2001:db8:7:1:ffff::9"):  # one network, two hosts
        body = {"amount": 100_00, "payment_method": UPI, "ip_address": address}
        assert (await gateway.post("/payments", body)).status_code == 201
    first, second = await keys(gateway)
    assert first == second
    rows = await gateway.rows(
        "select (data -> 'risk' -> 'features' ->> 'ip_count_1h')::int from payment_events"
        " where event_type = 'payment.processing' order by timestamp"
    )
    assert rows == [(0,), (1,)]
    asked = await gateway.post("/risk/assess", assess | {"ip_address": "2001:db8:7:1::77"})
    assert asked.status_code == 200, asked.text


async def test_a_payment_is_assessed_again_with_its_address(gateway):
    body = {"amount": 100_00, "payment_method": UPI, "ip_address": "198.51.100.4"}
    paid = (await gateway.post("/payments", body)).json()
    again = await gateway.post("/risk/assess", {"payment_id": paid["id"]})
    assert again.status_code == 200, again.text
    assert again.json()["risk_score"] == paid["risk"]["risk_score"]


async def test_an_intent_is_confirmed_from_an_address(gateway):
    intent = (await gateway.post("/intents", {"amount": 100_00})).json()
    body = {"payment_method": UPI, "ip_address": "::ffff:203.0.113.77"}
    answer = await gateway.post(f"/intents/{intent['id']}/confirm", body)
    assert answer.status_code == 200, answer.text
    plain = {"amount": 100_00, "payment_method": UPI, "ip_address": "203.0.113.77"}
    assert (await gateway.post("/payments", plain)).status_code == 201
    mapped, direct = await keys(gateway)
    assert mapped == direct, "an IPv4 address written as IPv6 is the same address"


@pytest.mark.parametrize(
    "address", ["1.2.3", "1.2.3.4.5", "256.1.1.1", "::1::2", "localhost", "", "1.2.3.4\x00", 17]
)
@pytest.mark.parametrize(
    ("path", "method"), [("/payments", UPI), ("/risk/assess", {"type": "upi", "vpa": "a@khata"})]
)
async def test_what_is_no_address_is_refused(gateway, path, method, address):
    body = {"amount": 100_00, "payment_method": method, "ip_address": address}
    answer = await gateway.post(path, body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["param"] == "ip_address"
