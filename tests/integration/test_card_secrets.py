"""What proves a card for one payment goes to the rail and nowhere else: not into a row, an event,
a log line, or the hash of an idempotency key. And what a card has to be paid with.
"""

import io
import json
import logging
import re

import psycopg
import pytest
import structlog

from online.platform import telemetry
from online.platform.calls import without_card_secrets
from tests.gateways import gateway_on, settings_for

pytestmark = pytest.mark.anyio

CVC = "7391"
CRYPTOGRAM = "AJkBKKqKq4ZqZJIVBwE1dAYAAAA="
AMEX = "378282246310005"
DPAN = "4895370012003478"
# Where four digits in a row prove nothing.
_NOISE = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d{2}-\d{2}[T ][0-9:.+Z]+")


@pytest.fixture
async def gateway(database_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened


@pytest.fixture
def log():
    """All that is logged, as it is written, from the finest level on."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    telemetry.configure("debug", stream)
    yield stream
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def everything_in(owner_url: str) -> str:
    """Every row of every table as text; binary columns as text and as hexadecimal."""
    parts = []
    with psycopg.connect(owner_url) as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables where table_schema = 'public'"
            " and table_type = 'BASE TABLE'"
        ).fetchall()
        for (table,) in tables:
            for (row,) in connection.execute(f'select t::text from "{table}" t'):
                parts.append(row)
                found = re.findall(r"\\x([0-9a-f]+)", row)
                parts += [bytes.fromhex(each).decode("latin-1") for each in found]
    assert len(parts) > 20
    return "\n".join(parts)


def shows(text: str, secret: str) -> bool:
    return re.search(rf"(?<![0-9A-Za-z]){re.escape(secret)}", _NOISE.sub("", text)) is not None


async def test_neither_is_written_down_anywhere(gateway, owner_url, log):
    card = await gateway.card(AMEX, cvc=CVC)
    token = await gateway.card(DPAN, kind="network_token", cryptogram=CRYPTOGRAM, eci="05")
    for method in (card, token):
        paid = await gateway.pay(5_000_00, method)
        assert paid["status"] == "captured"
        intent = await gateway.post("/intents", {"amount": 5_000_00})
        confirmed = await gateway.post(
            f"/intents/{intent.json()['id']}/confirm", {"payment_method": method}
        )
        assert confirmed.json()["status"] == "succeeded", confirmed.text
        # Refused ones too, whichever way.
        unknown = {**method, "card": {**method["card"], "surprise": 1}}
        declined = await gateway.post("/payments", {"amount": 100_051, "payment_method": method})
        assert declined.json()["status"] == "failed"
        for body in (unknown, {**method, "type": "upi"}):
            await gateway.post("/payments", {"amount": 1, "payment_method": body})
    stored, logged = everything_in(owner_url), log.getvalue()
    assert "captured" in stored
    for text in (stored, logged):
        assert not shows(text, CVC)
        assert not shows(text, CRYPTOGRAM)
    assert not shows(stored, DPAN)
    # The search itself finds what is there.
    assert shows(f'{stored} {{"cvc":"{CVC}"}}', CVC)
    assert shows(f"{stored} {CRYPTOGRAM}", CRYPTOGRAM)


async def test_a_retry_with_another_security_code_is_the_same_call(gateway):
    method = await gateway.card(cvc="123")
    first = await gateway.post(
        "/payments", {"amount": 5_00, "payment_method": method}, key="the same"
    )
    other = {**method, "card": {**method["card"], "cvc": "999"}}
    again = await gateway.post(
        "/payments", {"amount": 5_00, "payment_method": other}, key="the same"
    )
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.content == first.content
    dearer = await gateway.post(
        "/payments", {"amount": 5_01, "payment_method": other}, key="the same"
    )
    assert (dearer.status_code, dearer.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize(
    ("number", "kind", "given", "param"),
    [
        ("4242424242424242", "card", {"cvc": "12"}, "cvc"),
        ("4242424242424242", "card", {"cvc": "1234"}, "cvc"),
        ("4242424242424242", "card", {"cvc": "12a"}, "cvc"),
        (AMEX, "card", {"cvc": "123"}, "cvc"),
        ("4242424242424242", "card", {"cvc": ""}, "cvc"),
        ("4242424242424242", "card", {"cvc": "1" * 9}, "cvc"),
        ("4242424242424242", "card", {"cryptogram": CRYPTOGRAM}, "cryptogram"),
        ("4242424242424242", "card", {"eci": "05"}, "eci"),
        (DPAN, "network_token", {}, "cryptogram"),
        (DPAN, "network_token", {"cryptogram": "not base64!"}, "cryptogram"),
        (DPAN, "network_token", {"cryptogram": CRYPTOGRAM, "eci": "5"}, "eci"),
        (DPAN, "network_token", {"cryptogram": CRYPTOGRAM, "eci": "02"}, "eci"),
        (DPAN, "network_token", {"cryptogram": CRYPTOGRAM, "cvc": "12"}, "cvc"),
    ],
)
async def test_what_is_wrong_is_named(gateway, number, kind, given, param):
    method = await gateway.card(number, kind=kind, **given)
    answer = await gateway.post("/payments", {"amount": 5_00, "payment_method": method})
    problem = answer.json()
    assert (answer.status_code, problem["param"]) == (422, f"payment_method.card.{param}")
    secrets = [given[name] for name in ("cvc", "cryptogram") if given.get(name)]
    assert not any(secret in problem["detail"] for secret in secrets)
    assert await gateway.scalar("select count(*) from payments") == 0


async def test_a_payment_knows_its_card(gateway):
    paid = await gateway.pay(5_000_00, await gateway.card(AMEX, cvc=CVC))
    ((funding, card),) = await gateway.rows("select funding, card from payments")
    assert funding == "credit"
    assert card == {
        "network": "amex",
        "issuer": "Sandbox Bank Abroad",
        "country": "US",
        "category": "personal",
        "kind": "card",
    }
    assert paid["status"] == "captured"


# ── the bytes that a key is bound to ─────────────────────────────────────────────────────────


def card_body(cvc: str = "123", **fields: object) -> bytes:
    card = {"token": "tok_1", "cvc": cvc, "cryptogram": cvc * 9, **fields}
    return json.dumps({"amount": 5, "payment_method": {"type": "card", "card": card}}).encode()


def test_a_body_without_secrets_is_covered_as_it_is():
    for body in (b'{"amount": 5}', b"{}", b"", b'{ "note":"\\u00e9" }'):
        assert without_card_secrets(body) == body


def test_only_the_values_of_the_secrets_are_left_out():
    covered = without_card_secrets(card_body("123"))
    assert b"123" not in covered
    assert covered == without_card_secrets(card_body("456"))
    assert covered != without_card_secrets(card_body("123", token="tok_2"))
    assert covered != without_card_secrets(card_body("123", eci="05"))
    assert covered != without_card_secrets(card_body("123").replace(b": 5,", b": 6,"))


@pytest.mark.parametrize(
    "body",
    [
        rb'{"payment_method":{"card":{"\u0063vc":"7391"}}}',
        rb'{"payment_method":{"card":{"c\u0076c":"\u0037391"}}}',
        rb'{"payment_method":{"card":{"cryp\u0074ogram":"7391"}}}',
        b'{"payment_method":{"card":{"cvc":"7391","cvc":"7391"}}}',
        b'{"payment_method":{"card":{"cvc":"7391"},"card":{}}}',
        b'{"card":{"cvc":"7391"},"amount":5}',
        b'[{"cvc":{"cvc":["7391"]}}]',
        b'{ "cvc" : 7391 }',
    ],
)
def test_a_secret_is_found_however_it_is_written(body):
    covered = without_card_secrets(body)
    assert b"7391" not in covered
    assert rb"\u0037391" not in covered
    assert covered == without_card_secrets(body.replace(b"7391", b"8888"))


def test_the_order_of_members_still_counts():
    one = without_card_secrets(b'{"amount":5,"cvc":"123"}')
    assert one != without_card_secrets(b'{"cvc":"123","amount":5}')
