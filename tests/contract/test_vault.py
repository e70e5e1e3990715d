"""The vault and its table: what is stored, what opens, and for whom."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from online.kernel import ids
from online.kernel.clock import FixedClock
from online.kernel.errors import NotFound
from online.rails.domain import CardSource
from online.security.keyfiles import KeyRing
from online.vault.domain import CardToken
from online.vault.service import CardUnreadable, Vault
from tests.contract.apps import World, new_merchant, world

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 16, 4, 30, tzinfo=UTC)
PAN = "4000056655665556"


@pytest.fixture
async def khata(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with world(database_url, tmp_path, FixedClock(NOW)) as found:
        yield found


async def tokenized(khata: World, number: str = PAN, merchant: UUID | None = None) -> CardToken:
    return await khata.vault.tokenize(
        merchant_id=merchant or khata.merchant.merchant.id,
        livemode=False,
        number=number,
        exp_month=12,
        exp_year=2030,
        cvc="123",
    )


async def test_round_trip(khata: World):
    token = await tokenized(khata)
    source: CardSource = khata.vault
    card = await source.reveal(token.id, token.merchant_id)
    assert (card.pan.reveal(), card.exp_month, card.exp_year) == (PAN, 12, 2030)
    assert await khata.vault.token(token.id, token.merchant_id) == token
    assert token.mask == "visa •••• 5556"
    assert PAN not in repr(token)


async def test_the_row_holds_neither_number_nor_security_code(khata: World):
    token = await tokenized(khata)
    async with khata.database.connection() as connection:
        cursor = await connection.execute("select * from card_tokens")
        (row,) = await cursor.fetchall()
        cursor = await connection.execute(
            "select encode(pan_ciphertext, 'escape') from card_tokens"
        )
        (escaped,) = await cursor.fetchall()
    stored = repr(row) + repr(escaped)
    for secret in (PAN, PAN[6:12], PAN.encode().hex()):
        assert secret not in stored.replace(token.fingerprint, "")
    assert PAN not in token.fingerprint


async def test_a_token_belongs_to_its_merchant(khata: World):
    token = await tokenized(khata)
    other = (await new_merchant(khata.merchants)).merchant.id
    for call in (khata.vault.token, khata.vault.reveal):
        with pytest.raises(NotFound):
            await call(token.id, other)
        with pytest.raises(NotFound):
            await call(ids.new(NOW), token.merchant_id)


FLIPPED = "set pan_ciphertext = set_byte(pan_ciphertext, {0}, get_byte(pan_ciphertext, {0}) # 1)"
TAMPERED = {
    "one bit": FLIPPED.format(70),
    "the data key": FLIPPED.format(20),
    "the format": "set pan_ciphertext = set_byte(pan_ciphertext, 0, 9)",
    "cut short": "set pan_ciphertext = substr(pan_ciphertext, 1, 60)",
    "emptied": "set pan_ciphertext = ''",
    "another key id": "set key_id = 'card_encryption-2'",
    "a key of another family": "set key_id = 'request_signing-1'",
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
async def test_a_changed_row_does_not_open(khata: World, change: str):
    token = await tokenized(khata)
    async with khata.database.connection() as connection:
        await connection.execute(f"update card_tokens {change}")
    with pytest.raises(CardUnreadable) as caught:
        await khata.vault.reveal(token.id, token.merchant_id)
    assert PAN not in repr(caught.value)


async def test_a_ciphertext_copied_to_another_row_does_not_open(khata: World):
    mine = await tokenized(khata)
    other = (await new_merchant(khata.merchants)).merchant.id
    theirs = await tokenized(khata, "5555555555554444", other)
    same_merchant = await tokenized(khata, "5555555555554444")
    for target in (theirs, same_merchant):
        async with khata.database.connection() as connection:
            await connection.execute(
                "update card_tokens set pan_ciphertext ="
                " (select pan_ciphertext from card_tokens where id = %s) where id = %s",
                (mine.id, target.id),
            )
        with pytest.raises(CardUnreadable):
            await khata.vault.reveal(target.id, target.merchant_id)


async def test_without_the_key_file_nothing_opens(khata: World):
    token = await tokenized(khata)
    other_keys = KeyRing("card_encryption", {1: b"x" * 32})
    thief = Vault(
        khata.database, khata.clock, card_keys=other_keys, hash_keys=KeyRing("h", {1: b"y" * 32})
    )
    with pytest.raises(CardUnreadable):
        await thief.reveal(token.id, token.merchant_id)


async def test_fingerprints(khata: World):
    other = (await new_merchant(khata.merchants)).merchant.id
    one, again = await tokenized(khata), await tokenized(khata, "4000 0566 5566 5556")
    assert one.id != again.id
    assert one.fingerprint == again.fingerprint, "the same card of the same merchant"
    assert (await tokenized(khata, "5555555555554444")).fingerprint != one.fingerprint
    assert (await tokenized(khata, merchant=other)).fingerprint != one.fingerprint


async def test_instrument_hash_knows_a_payer_again(khata: World):
    one = khata.vault.instrument_hash("Asha@YBL")
    assert one == khata.vault.instrument_hash(" asha@ybl")
    assert one != khata.vault.instrument_hash("asha@okaxis")
    assert "asha" not in one
    assert len(one) == 64


async def test_a_purged_card_is_gone(khata: World):
    token = await tokenized(khata)
    async with khata.database.connection() as connection:
        await connection.execute(
            "update card_tokens set pan_ciphertext = null, purged_at = %s", (NOW,)
        )
    with pytest.raises(NotFound):
        await khata.vault.reveal(token.id, token.merchant_id)


# ── what a token knows of its card ───────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("number", "known"),
    [
        ("4242424242424242", ("visa", "credit", "Sandbox Bank One", "IN", "classic")),
        ("4000056655665556", ("visa", "debit", "Sandbox Bank One", "IN", "classic")),
        ("378282246310005", ("amex", "credit", "Sandbox Bank Abroad", "US", "personal")),
        ("6521111111111110", ("rupay", "debit", "Sandbox Bank Three", "IN", "classic")),
        ("8100000000000002", ("rupay", "credit", "Sandbox Bank Three", "IN", "select")),
        ("5105105105105100", ("mastercard", "prepaid", "Sandbox Wallet", "IN", "prepaid")),
        ("3530111333300000", ("jcb", None, None, None, None)),  # nobody lists it
    ],
)
async def test_a_token_shows_what_its_bin_says(
    khata: World, number: str, known: tuple[str | None, ...]
):
    body = {"number": number, "exp_month": 12, "exp_year": 2030}
    headers = await khata.bearer()
    made = await khata.client.post("/api/v1/cards/tokens", json=body, headers=headers)
    assert made.status_code == 201, made.text
    shown = made.json()
    members = ("brand", "funding", "issuer", "country", "category")
    assert tuple(shown[name] for name in members) == known
    assert shown["type"] == "card"
    read = await khata.client.get(f"/api/v1/cards/tokens/{shown['id']}", headers=headers)
    assert read.json() == shown
    assert number not in made.text


async def test_a_network_token_is_kept_like_a_card(khata: World):
    dpan = "4895370012003478"
    body = {"number": dpan, "exp_month": 12, "exp_year": 2030, "type": "network_token"}
    made = await khata.client.post("/api/v1/cards/tokens", json=body, headers=await khata.bearer())
    shown = made.json()
    assert (shown["type"], shown["brand"], shown["funding"]) == ("network_token", "visa", "credit")
    token = await khata.vault.token(ids.decode("tok", shown["id"]), khata.merchant.merchant.id)
    assert token.kind == "network_token"
    assert (await khata.vault.reveal(token.id, token.merchant_id)).pan.reveal() == dpan


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"type": "gift_card"}, "type"),
        ({"cvc": "12"}, "cvc"),
        ({"cvc": "1234"}, "cvc"),
        ({"cryptogram": "AJkBAAAAAAAAAAAAAAAAAAAAAAAA"}, "cryptogram"),
        ({"number": "4242424242424241"}, "number"),
    ],
)
async def test_a_bad_card_is_refused_by_field(khata: World, change: dict[str, str], param: str):
    body = {"number": PAN, "exp_month": 12, "exp_year": 2030, **change}
    answer = await khata.client.post(
        "/api/v1/cards/tokens", json=body, headers=await khata.bearer()
    )
    assert (answer.status_code, answer.json()["param"]) == (422, param)
    assert change.get("cvc", "none") not in answer.json()["detail"]


async def test_another_merchants_token_is_not_shown(khata: World):
    token = await tokenized(khata)
    other = await khata.bearer(await new_merchant(khata.merchants))
    path = f"/api/v1/cards/tokens/{ids.encode('tok', token.id)}"
    assert (await khata.client.get(path, headers=other)).status_code == 404
    assert (await khata.client.get(path, headers=await khata.bearer())).status_code == 200
