"""Payment handles over HTTP: made, paid by, bounded, ended; the VPA stays in the vault."""

import json
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from msgspec.structs import replace

from online.kernel import ids
from online.kernel.errors import NotFound
from online.operations.verify import verify_books
from online.operations.worker import expire_once
from online.rails.domain import VpaReference
from online.vault.service import TextUnreadable
from tests.circle import by_handle, handle, made, pass_time, person
from tests.gateways import Gateway, gateway_on, settings_for

pytestmark = pytest.mark.anyio
VPA = "asha.rao@okbank"


@pytest.fixture
async def gateway(database_url: str, tmp_path: Path, owner_url: str) -> AsyncIterator[Gateway]:
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        assert (await verify_books(owner_url)).holds


async def refused(gateway: Gateway, body: dict) -> tuple[int, str, str | None]:
    answer = await gateway.post("/payments", body)
    problem = answer.json()
    return answer.status_code, problem["code"], problem.get("param")


async def test_a_handle_pays_within_its_bounds(gateway: Gateway):
    payer = await person(gateway, phone=False)
    terms = {"max_amount": 300_00, "max_total": 500_00, "max_uses": 3, "purpose": "00"}
    new = await handle(gateway, payer.id, **terms)
    assert new["alias"].startswith("tok_")
    assert (new["vpa_masked"], new["status"]) == ("as***@okbank", "active")
    paid = await gateway.pay(300_00, by_handle(new["alias"]))
    assert (paid["status"], paid["customer_id"]) == ("captured", payer.id)
    assert paid["authority"]["id"] == new["id"]
    assert paid["instrument"] == "as***@okbank"
    shown = (await gateway.get(f"/handles/{new['id']}")).json()
    assert (shown["uses_left"], shown["amount_left"]) == (2, 200_00)
    assert "alias" not in shown
    over = {"amount": 300_01, "payment_method": by_handle(new["alias"])}
    assert await refused(gateway, over) == (422, "limit_exceeded", "amount")
    too_much = {"amount": 200_01, "payment_method": by_handle(new["alias"])}
    assert await refused(gateway, too_much) == (422, "limit_exceeded", "handle_total")
    await gateway.pay(100_00, by_handle(new["alias"]))
    await gateway.pay(50_00, by_handle(new["alias"]))
    once_more = {"amount": 1_00, "payment_method": by_handle(new["alias"])}
    assert await refused(gateway, once_more) == (422, "limit_exceeded", "handle_uses")


async def test_what_fails_gives_its_use_back(gateway: Gateway):
    payer = await person(gateway, phone=False)
    new = await handle(gateway, payer.id, vpa="decline@khata", max_total=1_000_00)
    failed = await gateway.pay(100_00, by_handle(new["alias"]))
    assert failed["status"] == "failed"
    shown = (await gateway.get(f"/handles/{new['id']}")).json()
    assert (shown["uses_left"], shown["amount_left"]) == (100, 1_000_00)


async def test_a_handle_is_for_its_merchant_payer_and_purpose(gateway: Gateway):
    payer, other = await person(gateway, phone=False), await person(gateway, phone=False)
    new = await handle(gateway, payer.id, purpose="14")
    pay = {"amount": 1_00, "payment_method": by_handle(new["alias"])}
    assert await refused(gateway, pay) == (422, "handle_out_of_scope", "purpose")
    pay = {"amount": 1_00, "payment_method": by_handle(new["alias"], purpose="14")}
    theirs = pay | {"customer_id": other.id}
    assert await refused(gateway, theirs) == (422, "handle_out_of_scope", "customer_id")
    assert (await gateway.post("/payments", pay)).status_code == 201
    stranger = await gateway.another_merchant()
    assert await refused(stranger, pay) == (404, "not_found", "payment_method.upi.handle")
    assert (await stranger.get(f"/handles/{new['id']}")).status_code == 404
    assert (await stranger.post(f"/handles/{new['id']}/revoke", {})).status_code == 404
    assert (await stranger.get("/handles")).json()["data"] == []
    # Neither its id nor a token of another kind is the alias.
    by_id = {"amount": 1_00, "payment_method": by_handle(new["id"], purpose="14")}
    assert await refused(gateway, by_id) == (404, "not_found", "payment_method.upi.handle")


async def test_revoked_is_over_at_once_and_for_good(gateway: Gateway):
    payer = await person(gateway, phone=False)
    new = await handle(gateway, payer.id)
    path = f"/handles/{new['id']}"
    revoked = await made(gateway, f"{path}/revoke", {"reason": "lost phone"}, key=None)
    assert (revoked["status"], revoked["reason"]) == ("revoked", "lost phone")
    pay = {"amount": 1_00, "payment_method": by_handle(new["alias"])}
    assert await refused(gateway, pay) == (409, "handle_revoked", None)
    again = await gateway.post(f"{path}/revoke", {"reason": "again"}, key=None)
    assert (again.status_code, again.json()["reason"]) == (200, "lost phone")
    stale = await gateway.post(f"{path}/revoke", {}, key=None, headers={"If-Match": '"v1"'})
    assert stale.status_code == 412


async def test_expired_is_over_before_anybody_says_so(gateway: Gateway):
    payer = await person(gateway, phone=False)
    soon = gateway.services.clock.now() + timedelta(hours=1)
    new = await handle(gateway, payer.id, expires_at=soon.isoformat())
    await pass_time(gateway, timedelta(hours=1))
    pay = {"amount": 1_00, "payment_method": by_handle(new["alias"])}
    assert await refused(gateway, pay) == (409, "handle_expired", None)
    expired = (await gateway.get("/handles?status=expired")).json()["data"]
    assert [each["id"] for each in expired] == [new["id"]]
    assert await gateway.scalar("select status from handles") == "active"
    assert await expire_once(gateway.services) == 1
    assert await gateway.scalar("select status from handles") == "expired"
    late = await gateway.post(f"/handles/{new['id']}/revoke", {}, key=None)
    assert (late.status_code, late.json()["status"]) == (200, "expired")


async def test_terms_that_make_no_sense_are_refused(gateway: Gateway):
    payer = await person(gateway, phone=False)
    now = gateway.services.clock.now()
    good = {"customer_id": payer.id, "vpa": VPA, "max_amount": 100, "max_uses": 1}
    soon = (now + timedelta(days=1)).isoformat()
    for wrong, param in (
        ({"expires_at": now.isoformat()}, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": soon, "max_total": 99}, "max_total"),
        ({"expires_at": soon, "vpa": "no vpa"}, "vpa"),
        ({"expires_at": soon, "max_uses": 0}, "max_uses"),
    ):
        answer = await gateway.post("/handles", good | wrong, key=None)
        assert (answer.status_code, answer.json()["param"]) == (422, param), wrong
    nobody = good | {"expires_at": soon, "customer_id": "cus_01h455vb4pex5vsknk084sn02q"}
    assert (await gateway.post("/handles", nobody, key=None)).status_code == 404


async def test_handles_page_by_cursor(gateway: Gateway):
    payer = await person(gateway, phone=False)
    made_ = [(await handle(gateway, payer.id))["id"] for _ in range(3)]
    first = (await gateway.get("/handles?limit=2")).json()
    assert ([each["id"] for each in first["data"]], first["has_more"]) == (made_[:0:-1], True)
    rest = (await gateway.get(f"/handles?limit=2&starting_after={made_[1]}")).json()
    assert ([each["id"] for each in rest["data"]], rest["has_more"]) == (made_[:1], False)


async def test_the_vpa_and_the_alias_are_nowhere_in_the_clear(
    gateway: Gateway, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    """Every column of every table is searched as text, and everything that was printed or logged;
    the rail alone is told the VPA."""
    caplog.set_level(logging.DEBUG)
    told = []
    rail = gateway.services.rails["upi_hdfc"]
    asked = rail._payer_vpa

    async def listening(upi):
        told.append(await asked(upi))
        return told[-1]

    for each in gateway.services.rails.names:
        if each.startswith("upi"):
            gateway.services.rails[each]._payer_vpa = listening
    payer = await person(gateway, phone=False)
    new = await handle(gateway, payer.id)
    paid = await gateway.pay(100_00, by_handle(new["alias"]))
    trace = (await gateway.get(f"/payments/{paid['id']}/trace")).json()
    assert told == [VPA]
    texts = [json.dumps(trace), capsys.readouterr().out, capsys.readouterr().err, caplog.text]
    tables = await gateway.rows(
        "select format('%%I.%%I', n.nspname, c.relname) from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and n.nspname in ('public', 'jobs')"
        " and has_table_privilege(c.oid, 'select')"
    )
    assert len(tables) > 40
    for (table,) in tables:
        texts += [text for (text,) in await gateway.rows(f"select t::text from {table} t")]
    secrets = [VPA, VPA.encode().hex(), new["alias"], new["alias"].encode().hex()]
    assert [s for s in secrets if any(s in text.lower() for text in texts)] == []
    sealed = await gateway.rows("select purpose, ciphertext from sealed_texts")
    assert [(purpose, VPA.encode() in text) for purpose, text in sealed] == [("handle", False)]


async def test_a_sealed_vpa_opens_in_its_own_place_alone(gateway: Gateway, owner_url: str):
    """Another handle's row, or another merchant, cannot be made to stand for it."""
    payer = await person(gateway, phone=False)
    new = await handle(gateway, payer.id)
    vault = gateway.services.vault
    right = VpaReference(
        purpose="handle",
        id=ids.decode("hdl", new["id"]),
        merchant_id=gateway.merchant.merchant.id,
    )
    opened = await vault.open_vpa(right)
    assert (opened.reveal(), repr(opened)) == (VPA, "Vpa(…)")
    for wrong in (
        replace(right, purpose="delegation"),
        replace(right, merchant_id=uuid4()),
        replace(right, id=uuid4()),
    ):
        with pytest.raises((NotFound, TextUnreadable)):
            await vault.open_vpa(wrong)
