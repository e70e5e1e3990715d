"""Cards from the payer's browser to the bank's file: the service and the banks as processes."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.dev import Dev, eventually

pytestmark = pytest.mark.e2e

_keys = count()


class Shop:
    """The seeded merchant's own client, and the payer's browser."""

    def __init__(self, dev: Dev) -> None:
        headers = {"Authorization": f"Bearer {dev.token()}"}
        self.api = httpx.Client(base_url=f"{dev.base_url}/api/v1", headers=headers, timeout=30)
        self.browser = httpx.Client(timeout=30, trust_env=False)
        self.banks = httpx.Client(base_url=dev.about["sandbox_url"], timeout=30, trust_env=False)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.api.post(path, json=body, headers={"Idempotency-Key": f"e2e-{next(_keys)}"})
        assert answer.status_code < 300, answer.text
        return answer.json()

    def get(self, path: str) -> Any:
        answer = self.api.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pay(self, number: str, amount: int = 5_000_00, **fields: Any) -> Any:
        card = {"number": number, "exp_month": 12, "exp_year": 2035}
        token = self.post("/cards/tokens", card)["id"]
        method = {"type": "card", "card": {"token": token, "cvc": "123"}}
        return self.post("/payments", {"amount": amount, "payment_method": method, **fields})

    def becomes(self, path: str, *statuses: str) -> Any:
        def look() -> Any:
            found = self.get(path)
            return found if found["status"] in statuses else None

        return eventually(look, within_s=30)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    data: Path = tmp_path_factory.mktemp("cards") / "data"
    with Dev(data) as dev:
        yield Shop(dev)


@pytest.mark.parametrize(
    ("result", "status", "authentication"),
    [("approve", "captured", "challenged"), ("fail", "failed", None)],
)
def test_a_challenge(shop: Shop, result: str, status: str, authentication: str | None):
    back = "https://shop.example/orders/7"
    waits = shop.pay("4000000000003220", return_url=back)
    assert waits["status"] == "requires_action"
    action = waits["next_action"]
    assert (action["type"], action["return_url"]) == ("redirect", back)
    assert "Confirm this payment" in shop.browser.get(action["link"]).text
    said = shop.browser.post(action["link"], data={"result": result})
    assert (said.status_code, said.headers["location"]) == (303, back)
    paid = shop.becomes(f"/payments/{waits['id']}", "captured", "failed")
    assert paid["status"] == status
    if authentication:
        assert paid["card_checks"]["authentication"] == authentication
    else:
        assert paid["last_error"]["decline_code"] == "authentication_failed"


def test_a_refund_that_the_bank_confirms_later(shop: Shop):
    paid = shop.pay("4000000000003063")
    assert paid["card_checks"]["authentication"] == "frictionless"
    for amount, status in ((100_160, "succeeded"), (100_161, "failed")):
        refund = shop.post("/refunds", {"payment": paid["id"], "amount": amount})
        assert shop.becomes(f"/refunds/{refund['id']}", "succeeded", "failed")["status"] == status
    assert shop.get(f"/payments/{paid['id']}")["amount_refunded"] == 100_160


def test_a_reversal(shop: Shop):
    paid = shop.pay("4242424242424242")
    undone = shop.post(f"/payments/{paid['id']}/reverse", {})
    assert (undone["status"], undone["amount_reversed"]) == ("reversed", 5_000_00)


def test_a_dispute_is_heard_of_contested_and_lost(shop: Shop):
    paid = shop.pay("4000000000000259")

    def heard() -> Any:
        return shop.get(f"/disputes?payment={paid['id']}")["data"]

    (dispute,) = eventually(heard, within_s=30)
    assert (dispute["amount"], dispute["reason_code"]) == (5_000_00, "10.4")
    shop.post(f"/disputes/{dispute['id']}/evidence", {"explanation": "Signed for by the payer."})
    lost = shop.banks.post(f"/admin/disputes/{dispute['rail_reference']}/lost")
    assert lost.json()["status"] == "lost"
    shop.becomes(f"/disputes/{dispute['id']}", "lost")
