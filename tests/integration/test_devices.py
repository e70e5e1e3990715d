"""Devices over HTTP: linked, proved, cooled, used in payments, taken away again."""

import asyncio
from base64 import b64encode, urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from online.kernel import ids
from online.operations.verify import verify_books
from online.operations.worker import expire_once
from tests.gateways import Gateway, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened


async def pass_time(gateway: Gateway, by: timedelta) -> None:
    """Tokens do not live that long."""
    gateway.later(by)
    await gateway.sign_in()


class Phone:
    """A customer's installation: it holds a key and answers challenges."""

    def __init__(self, gateway: Gateway, customer: str, installation: str = "install-1") -> None:
        self.gateway = gateway
        self.key = Ed25519PrivateKey.generate()
        self.body = {
            "customer_id": customer,
            "device_id": installation,
            "platform": "android",
            "public_key": self.pem(),
            "sim_hash": "a" * 64,
        }
        self.device: dict[str, Any] = {}

    def pem(self) -> str:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()  # fmt: skip

    def new_key(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.body["public_key"] = self.pem()

    async def link(self, status: int) -> dict[str, Any]:
        answer = await self.gateway.post("/devices/link", self.body, key=None)
        assert answer.status_code == status, answer.text
        if status < 300:
            self.device = answer.json()
        return answer.json()

    async def verify(self, status: int, *, key: Ed25519PrivateKey | None = None) -> dict[str, Any]:
        signature = (key or self.key).sign((self.device["challenge"] or "nothing").encode())
        encode = b64encode if status == 200 else urlsafe_b64encode
        return await self.to("verify", status, {"signature": encode(signature).decode()})

    async def to(self, move: str, status: int, body: dict[str, Any] | None = None) -> Any:
        path = f"/devices/{self.device['id']}/{move}"
        answer = await self.gateway.post(path, body or {}, key=None)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def read(self) -> dict[str, Any]:
        answer = await self.gateway.get(f"/devices/{self.device['id']}")
        assert answer.status_code == 200, answer.text
        assert answer.headers["etag"].startswith('"v')
        return answer.json()


@pytest.fixture
async def customer(gateway: Gateway) -> str:
    answer = await gateway.post("/customers", {"name": "Asha"}, key=None)
    return str(answer.json()["id"])


@pytest.fixture
def phone(gateway: Gateway, customer: str) -> Phone:
    return Phone(gateway, customer)


async def test_a_device_from_its_link_to_active_and_away(
    gateway: Gateway, phone: Phone, owner_url: str
):
    linked = await phone.link(201)
    assert (linked["state"], linked["trust"]["level"]) == ("pending", "none")
    assert linked["challenge"].startswith(f"khata-device-link.v1.{linked['id']}.")
    assert (linked["sim_bound"], linked["device_id"]) == (True, "install-1")
    cooling = await phone.verify(200)
    assert (cooling["state"], cooling["challenge"]) == ("cooling", None)
    assert cooling["trust"]["score"] == sum(p["points"] for p in cooling["trust"]["parts"]) > 0
    again = await phone.read()
    assert (again["state"], again["cooling_until"]) == ("cooling", cooling["cooling_until"])
    await pass_time(gateway, timedelta(hours=24))
    assert (await phone.read())["state"] == "active"
    assert await gateway.scalar("select status from devices") == "cooling"
    assert await expire_once(gateway.services) == 1
    assert await gateway.scalar("select status from devices") == "active"
    suspended = await phone.to("suspend", 200, {"reason": "reported lost"})
    assert (suspended["state"], suspended["reason"]) == ("suspended", "reported lost")
    await phone.to("suspend", 409)
    assert (await phone.to("resume", 200))["state"] == "cooling"
    assert (await phone.to("revoke", 200, {"reason": "sold"}))["state"] == "revoked"
    assert (await phone.to("revoke", 200))["reason"] == "sold"
    await phone.to("resume", 409)
    first = phone.device["id"]
    assert (await phone.link(201))["id"] != first
    assert (await verify_books(owner_url)).holds


async def test_linking_again_is_the_same_device(gateway: Gateway, phone: Phone):
    first = await phone.link(201)
    second = await phone.link(200)
    assert (second["id"], second["challenge"]) == (first["id"], first["challenge"])
    await pass_time(gateway, timedelta(minutes=11))
    renewed = await phone.link(200)
    assert renewed["id"] == first["id"]
    assert renewed["challenge"] != first["challenge"]
    await phone.verify(200)
    assert (await phone.link(200))["state"] == "cooling"
    phone.new_key()
    relinked = await phone.link(200)
    assert (relinked["id"], relinked["state"]) == (first["id"], "pending")
    assert relinked["cooling_until"] is None
    assert (await phone.verify(200))["state"] == "cooling"


async def test_many_links_at_once_make_one_device(gateway: Gateway, phone: Phone):
    answers = await asyncio.gather(
        *(gateway.post("/devices/link", phone.body, key=None) for _ in range(12))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 11 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await gateway.scalar("select count(*) from device_keys") == 1


async def test_a_proof_may_be_sent_again(phone: Phone):
    await phone.link(201)
    body = {"signature": b64encode(phone.key.sign(phone.device["challenge"].encode())).decode()}
    first = await phone.to("verify", 200, body)
    assert await phone.to("verify", 200, body) == first
    await phone.to("verify", 409, {"signature": "A" * 86})


async def test_wrong_proofs_block_for_a_day_however_they_come(gateway: Gateway, phone: Phone):
    await phone.link(201)
    stranger = Ed25519PrivateKey.generate()
    signature = b64encode(stranger.sign(phone.device["challenge"].encode())).decode()
    path = f"/devices/{phone.device['id']}/verify"
    answers = await asyncio.gather(
        *(gateway.post(path, {"signature": signature}, key=None) for _ in range(9))
    )
    codes = sorted(answer.json()["code"] for answer in answers)
    assert codes == ["device_blocked"] * 6 + ["proof_invalid"] * 3
    blocked = next(a for a in answers if a.status_code == 429)
    assert int(blocked.headers["retry-after"]) > 86_000
    challenge = phone.device["challenge"]
    shown = await phone.read()
    assert (shown["state"], shown["challenge"]) == ("pending", None)
    await phone.verify(429)
    phone.new_key()
    assert (await phone.link(429))["code"] == "device_blocked"
    await phone.to("revoke", 200)
    await phone.link(429)
    await pass_time(gateway, timedelta(hours=24, seconds=1))
    assert (await phone.link(201))["challenge"] != challenge
    await phone.verify(200)


async def test_a_fourth_challenge_blocks_for_a_day(gateway: Gateway, phone: Phone):
    await phone.link(201)
    for _ in range(2):
        await pass_time(gateway, timedelta(minutes=11))
        await phone.link(200)
    await pass_time(gateway, timedelta(minutes=11))
    assert (await phone.link(429))["code"] == "device_blocked"
    assert (await phone.link(200))["challenge"] is None
    await phone.verify(429)
    await pass_time(gateway, timedelta(hours=24))
    await phone.link(200)
    await phone.verify(200)


async def test_a_proof_from_another_number_than_the_link_is_none(gateway: Gateway, phone: Phone):
    await phone.link(201)
    signature = b64encode(phone.key.sign(phone.device["challenge"].encode())).decode()
    other = {"signature": signature, "sim_hash": "b" * 64}
    assert (await phone.to("verify", 422, other))["code"] == "proof_invalid"
    same = {"signature": signature, "sim_hash": "a" * 64}
    assert (await phone.to("verify", 200, same))["state"] == "cooling"


@pytest.mark.parametrize(("upi_type", "places"), [("mini", 1), ("max", 5)])
async def test_a_user_has_so_many_devices_at_a_time(
    gateway: Gateway, upi_type: str, places: int, owner_url: str
):
    made = await gateway.post("/customers", {"name": "Asha", "upi_type": upi_type}, key=None)
    phones = [Phone(gateway, made.json()["id"], f"install-{n}") for n in range(places + 2)]
    for each in phones:
        await each.link(201)
    proofs = [b64encode(p.key.sign(p.device["challenge"].encode())).decode() for p in phones]
    answers = await asyncio.gather(
        *(
            gateway.post(f"/devices/{p.device['id']}/verify", {"signature": proof}, key=None)
            for p, proof in zip(phones, proofs, strict=True)
        )
    )
    codes = sorted(answer.json().get("code", "bound") for answer in answers)
    assert codes == ["bound"] * places + ["too_many_devices"] * 2
    bound = next(p for p, a in zip(phones, answers, strict=True) if a.status_code == 200)
    left = next(p for p, a in zip(phones, answers, strict=True) if a.status_code == 409)
    await bound.to("revoke", 200)
    assert (await left.verify(200))["state"] == "cooling"
    assert (await verify_books(owner_url)).holds


async def test_a_device_is_its_merchants_alone(gateway: Gateway, phone: Phone):
    await phone.link(201)
    other = await gateway.another_merchant()
    for answer in (
        await other.get(f"/devices/{phone.device['id']}"),
        await other.post(f"/devices/{phone.device['id']}/revoke", {}, key=None),
        await other.post("/devices/link", phone.body, key=None),
    ):
        assert answer.status_code == 404, answer.text


async def test_an_update_may_name_the_version_it_was_decided_on(gateway: Gateway, phone: Phone):
    await phone.link(201)
    await phone.verify(200)
    path = f"/devices/{phone.device['id']}"
    version = (await gateway.get(path)).headers["etag"]
    stale = await gateway.post(f"{path}/suspend", {}, key=None, headers={"If-Match": '"v1"'})
    assert stale.status_code == 412, stale.text
    good = await gateway.post(f"{path}/suspend", {}, key=None, headers={"If-Match": version})
    assert good.status_code == 200, good.text


async def test_payments_know_the_device_by_either_name(gateway: Gateway, phone: Phone):
    await phone.link(201)
    await phone.verify(200)
    for name in ("install-1", phone.device["id"]):
        found = await assess(gateway, phone, name)
        trust = found["device_trust"]
        assert (trust["device_id"], trust["state"]) == (phone.device["id"], "cooling")
        assert trust["score"] == 300
        assert found["factors"] == []
    unknown = (await assess(gateway, phone, "install-2"))["device_trust"]
    assert (unknown["device_id"], unknown["state"]) == ("install-2", "unlinked")
    none = (await assess(gateway, phone, None))["device_trust"]
    assert (none["device_id"], none["state"]) == (None, "absent")


async def assess(gateway: Gateway, phone: Phone, device: str | None, amount: int = 100_00) -> Any:
    body = {
        "amount": amount,
        "payment_method": {"type": "upi", "vpa": "asha@khata"},
        "customer_id": phone.body["customer_id"],
        **({"device_id": device} if device else {}),
    }
    answer = await gateway.post("/risk/assess", body, key=None)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_device_adds_risk_where_it_is_no_good(gateway: Gateway, phone: Phone):
    await phone.link(201)
    await phone.verify(200)

    async def codes(device: str = "install-1", amount: int = 100_00) -> list[str]:
        return [f["code"] for f in (await assess(gateway, phone, device, amount))["factors"]]

    assert await codes(amount=5_000_01) == ["device_cooling_over_amount"]
    await pass_time(gateway, timedelta(hours=24))
    assert await codes(amount=5_000_01) == []
    await phone.to("suspend", 200)
    assert await codes() == ["device_suspended"]
    stranger = await gateway.post("/customers", {"name": "Ravi"}, key=None)
    phone.body["customer_id"] = stranger.json()["id"]
    assert "device_of_other_customer" in await codes()


async def test_a_payment_keeps_what_was_known_of_its_device(gateway: Gateway, phone: Phone):
    await phone.link(201)
    await phone.verify(200)
    customer = {"customer_id": phone.body["customer_id"]}
    method = upi("asha@khata")
    paid = await gateway.pay(100_00, method, device_id=phone.device["id"], **customer)
    without = await gateway.pay(100_00, method, **customer)
    sql = "select risk from payments where id = %s"
    risk = await gateway.scalar(sql, ids.decode("pay", paid["id"]))
    assert risk["device_trust"]["device_id"] == phone.device["id"]
    assert sum(risk["device_trust"]["parts"].values()) == risk["device_trust"]["score"]
    assert risk["device_trust"]["scale"] == 1
    assert sum(factor["score"] for factor in risk["factors"]) == risk["score"]
    assert "device_trust" not in await gateway.scalar(sql, ids.decode("pay", without["id"]))
    parts = {p["code"]: p["points"] for p in (await phone.read())["trust"]["parts"]}
    assert parts["use"] == 10


async def test_events_have_hashes_only(gateway: Gateway, phone: Phone):
    await phone.link(201)
    await phone.verify(200)
    sql = "select data from payment_events where aggregate_type = 'device'"
    text = "".join(msgspec.json.encode(row[0]).decode() for row in await gateway.rows(sql))
    assert "fingerprint" in text
    for secret in ("install-1", "BEGIN PUBLIC", "a" * 64, phone.device["challenge"]):
        assert secret not in text


@pytest.mark.parametrize(
    ("change", "status", "param"),
    [
        ({"customer_id": ids.encode("cus", ids.derived("nobody"))}, 404, None),
        ({"customer_id": "asha"}, 422, "customer_id"),
        ({"device_id": ""}, 422, "device_id"),
        ({"platform": "toaster"}, 422, "platform"),
        ({"public_key": "ssh-ed25519 AAAA"}, 422, "public_key"),
        (
            {"public_key": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"},
            422,
            "public_key",
        ),
        ({"sim_hash": "short"}, 422, "sim_hash"),
        ({"pin": "1234"}, 422, "pin"),
    ],
)
async def test_what_a_link_refuses(phone: Phone, change, status, param):
    phone.body |= change
    assert (await phone.link(status)).get("param") == param
