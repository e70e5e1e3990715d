"""People who pay for each other: customers with phones, handles and delegations, over HTTP."""

from base64 import b64encode
from datetime import timedelta
from itertools import count
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.gateways import Gateway

A_DAY = timedelta(hours=24)
_numbers = count()


class Person:
    """A customer with one linked phone, which has cooled once a day has passed."""

    def __init__(self, gateway: Gateway, id_: str) -> None:
        self.gateway = gateway
        self.id = id_
        self.key = Ed25519PrivateKey.generate()
        self.installation = f"installation-{next(_numbers)}"
        self.device = ""

    async def link(self) -> "Person":
        link = {
            "customer_id": self.id,
            "device_id": self.installation,
            "platform": "android",
            "public_key": self.public_key,
        }
        linked = await made(self.gateway, "/devices/link", link, key=None)
        self.device = linked["id"]
        proof = {"signature": self.sign(linked["challenge"])}
        await made(self.gateway, f"/devices/{self.device}/verify", proof, key=None)
        return self

    @property
    def public_key(self) -> str:
        return self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()  # fmt: skip

    def sign(self, text: str) -> str:
        return b64encode(self.key.sign(text.encode())).decode()


async def made(
    gateway: Gateway, path: str, body: dict[str, Any], *, key: str | None = ""
) -> dict[str, Any]:
    answer = await gateway.post(path, body, key=key)
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def person(gateway: Gateway, upi_type: str | None = None, *, phone: bool = True) -> Person:
    body: dict[str, Any] = {"name": "Asha"}
    if upi_type is not None:
        kyc = "full" if upi_type == "max" else "minimum"
        body |= {"upi_type": upi_type, "kyc_level": kyc}
    customer = await made(gateway, "/customers", body, key=None)
    found = Person(gateway, customer["id"])
    return await found.link() if phone else found


async def pass_time(gateway: Gateway, by: timedelta) -> None:
    """Tokens do not live that long."""
    gateway.later(by)
    await gateway.sign_in()


async def handle(gateway: Gateway, customer: str, **terms: Any) -> dict[str, Any]:
    expires_at = gateway.services.clock.now() + timedelta(days=30)
    body = {
        "customer_id": customer,
        "vpa": "asha.rao@okbank",
        "max_amount": 1_000_00,
        "max_uses": 100,
        "expires_at": expires_at.isoformat(),
        **terms,
    }
    return await made(gateway, "/handles", body, key=None)


async def delegation(
    gateway: Gateway, primary: Person, secondary: Person, kind: str = "full", **terms: Any
) -> dict[str, Any]:
    body = {
        "primary_id": primary.id,
        "secondary_id": secondary.id,
        "vpa": "asha.rao@okbank",
        "kind": kind,
        **terms,
    }
    return await made(gateway, "/delegations", body, key=None)


def by_handle(alias: str, **fields: Any) -> dict[str, Any]:
    return {"type": "upi", "upi": {"handle": alias, **fields}}


def by_delegation(id_: str) -> dict[str, Any]:
    return {"type": "upi", "upi": {"delegation": id_}}


async def request(gateway: Gateway, under: str, by: Person, amount: int = 100_00) -> dict[str, Any]:
    body = {"amount": amount, "device_id": by.device}
    return await made(gateway, f"/delegations/{under}/requests", body)


def approval(asked: dict[str, Any], by: Person) -> dict[str, str]:
    return {"device_id": by.device, "signature": by.sign(asked["challenge"])}
