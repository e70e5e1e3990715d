"""Plays `docs/examples` on a running service, as a client would: variables out of answers."""

from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from online.kernel import ids
from online.kernel.clock import business_date, write_offset
from online.kernel.months import Month
from online.platform.openapi_examples import Example, filled, load_examples
from online.platform.settings import ROOT
from online.security.domain import STAFF_SCOPES
from online.security.service import NewClient
from tests.callbacks import signed
from tests.contract.live import Live

FOLDER = ROOT / "docs" / "examples"
EXAMPLES = load_examples(FOLDER)
_TOKEN_KEPT = timedelta(minutes=10)
NDJSON = {"Content-Type": "application/x-ndjson"}


class Player:
    """`variables` is what was taken out of answers so far."""

    def __init__(self, live: Live, admin_token: str) -> None:
        self.live = live
        self.variables: dict[str, Any] = {}
        self._service = live.new_service_client()
        self._finance = live.new_service_client(STAFF_SCOPES)
        self._admin_token = admin_token
        self._tokens: dict[str, tuple[datetime, str]] = {}
        self._device_key = Ed25519PrivateKey.generate()
        self._made: dict[str, Callable[[], str]] = {
            "device_public_key": self._public_key,
            "device_signature": self._signature,
            "rail_dispute": self._rail_dispute,
            "yesterday": self._yesterday,
            "tomorrow": partial(self._in_days, 1),
            "in_three_days": partial(self._in_days, 3),
            "in_a_year": partial(self._in_days, 365),
            "books_month": self._books_month,
            "approval_signature": self._approval_signature,
        }

    def play(self, example: Example) -> httpx.Response:
        """One request; what it keeps is known to those after it."""
        if example.after:
            path = self.live.services.settings.data_dir / "clock.json"
            write_offset(path, self.live.services.clock.now() + timedelta(**example.after))
        method, _, template = example.operation.partition(" ")
        about: dict[str, Any] = {"headers": self._headers(example), "params": example.query}
        if example.lines is not None:
            lines = [msgspec.json.encode(line) for line in self._filled(example.lines)]
            about["content"] = b"\n".join(lines)
            about["headers"] |= NDJSON
        elif example.as_ == "rail":
            about["content"] = msgspec.json.encode(self._filled(example.body))
            about["headers"] |= signed(self.live.services, self._value("rail"), about["content"])
        elif example.body is not None:
            about["json"] = self._filled(example.body)
        about["params"] = self._filled(example.query)
        answer = self.live.request(method, self._address(template, example), **about)
        self.live.call(self.live.services.callbacks.idle)
        for name, place in example.keep.items() if answer.status_code == example.status else ():
            self.variables[name] = _found(answer.json(), place)
        return answer

    def _address(self, template: str, example: Example) -> str:
        named = self._filled(example.path)
        parts = template.split("/")
        for index, part in enumerate(parts):
            if part.startswith("{"):
                parts[index] = named.get(part[1:-1]) or str(self._value(part[1:-1]))
        return "/".join(parts)

    def _headers(self, example: Example) -> dict[str, str]:
        headers: dict[str, str] = self._filled(example.headers)
        return headers | self.credentials(example.as_)

    def credentials(self, who: str) -> dict[str, str]:
        """Of a client that signed in within the token's life by the clock, which examples move."""
        match who:
            case "nobody" | "rail":
                return {}
            case "admin":
                token = self._admin_token
            case "service":
                token = self._token(self._service)
            case "finance":
                token = self._token(self._finance)
            case "merchant":
                token = self._token(self._client(""))
            case _:
                token = self._token(self._client(f"{who}."))
        return {"Authorization": f"Bearer {token}"}

    def _token(self, client: NewClient) -> str:
        now = self.live.services.clock.now()
        known = self._tokens.get(client.client_id)
        if known is None or now - known[0] > _TOKEN_KEPT:
            known = self._tokens[client.client_id] = (now, self.live.token(client))
        return known[1]

    def _client(self, whose: str) -> NewClient:
        of = self.variables
        return NewClient(
            client_id=of[f"{whose}client_id"], client_secret=of[f"{whose}client_secret"]
        )

    def _filled(self, part: Any) -> Any:
        return filled(part, self._value)

    def _value(self, name: str) -> Any:
        return self._made[name]() if name in self._made else self.variables[name]

    # ── what a client has of its own ─────────────────────────────────────────────────────

    def _public_key(self) -> str:
        return self._device_key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()  # fmt: skip

    def _signature(self) -> str:
        return b64encode(self._device_key.sign(self.variables["challenge"].encode())).decode()

    def _approval_signature(self) -> str:
        challenge = self.variables["approval_challenge"]
        return b64encode(self._device_key.sign(challenge.encode())).decode()

    def _in_days(self, days: int) -> str:
        return (business_date(self.live.services.clock.now()) + timedelta(days=days)).isoformat()

    def _yesterday(self) -> str:
        return (business_date(self.live.services.clock.now()) - timedelta(days=1)).isoformat()

    def _books_month(self) -> str:
        """The month of the payment that an invoice is made for."""
        payment = ids.decode("pay", self.variables["coffee_payment_id"])

        async def created_at() -> Any:
            sql = "select created_at from payments where id = %s"
            async with self.live.services.database.connection() as connection:
                return (await (await connection.execute(sql, (payment,))).fetchone())[0]

        return str(Month.of(business_date(self.live.call(created_at))))

    def _rail_dispute(self) -> str:
        """How the rail calls the dispute of a payment: by the attempt that authorized it."""
        payment = ids.decode("pay", self.variables["disputed_payment_id"])

        async def attempt_id() -> Any:
            sql = "select attempt_id from payments where id = %s"
            async with self.live.services.database.connection() as connection:
                return (await (await connection.execute(sql, (payment,))).fetchone())[0]

        return ids.encode("dsp", self.live.call(attempt_id))


def _found(answer: Any, place: str) -> Any:
    for part in place.split("."):
        answer = answer[int(part)] if isinstance(answer, list) else answer[part]
    return answer


def operations_of(examples: list[Example]) -> Mapping[str, list[Example]]:
    """The examples of each operation."""
    found: dict[str, list[Example]] = {}
    for example in examples:
        found.setdefault(example.operation, []).append(example)
    return found
