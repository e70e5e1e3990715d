"""The chain of seals on PostgreSQL: one after another, signed, never changed."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from litestar import Litestar
from litestar.di import Provide
from psycopg import errors

from online.kernel import ids
from online.kernel.clock import business_date
from online.platform.http import HttpPlugin, wrap
from online.seals import routes
from online.seals.domain import (
    BEFORE_ALL,
    Draft,
    Rows,
    Seal,
    SealConflict,
    SealMismatch,
    Tree,
    document,
)
from online.seals.keys import FileSealKeys, key_id_of, load_seal_keys
from online.seals.service import Seals
from online.security.domain import OPT, SERVICE_SCOPES, Access
from online.security.keyfiles import KeyFileRefused, KeyRing
from tests.databases import as_role
from tests.house import House, house_on

pytestmark = pytest.mark.anyio

LONG_AGO = date(2020, 1, 1)  # nothing happened on it


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        yield built


def tree(name: str, size: int = 0) -> Tree:
    return Tree(root=hashlib.sha256(name.encode()).digest(), size=size)


def draft(after: Seal | None = None, **changes: Any) -> Draft:
    fields: dict[str, Any] = {
        "number": after.number + 1 if after else 1,
        "previous": after.hash if after else BEFORE_ALL,
        "day": LONG_AGO + timedelta(days=after.number if after else 0),
        "part": 1,
        "events": tree(""),
        "entries": tree(""),
        "audit": tree("audit", 3),
        "epoch": "e",
        "upto_xid": 5,
        **changes,
    }
    return Draft(**fields)


def asked(after: Seal | None = None, **changes: Any) -> tuple[Draft, Rows]:
    """Of a day of which there is nothing."""
    return draft(after, **changes), Rows()


async def test_each_seal_names_the_one_before_it_and_is_signed(house: House):
    first = await house.seals.seal(*asked())
    second = await house.seals.seal(*asked(first))
    assert (first.previous, second.previous) == (None, first.hash)
    for seal in (first, second):
        text = document(seal.draft, seal.sealed_at)
        assert seal.hash == hashlib.sha256(text).digest()
        assert json.loads(text)["previous"] == (seal.previous or BEFORE_ALL).hex()
        Ed25519PublicKey.from_public_bytes(seal.public_key).verify(seal.signature, text)
        with pytest.raises(InvalidSignature):
            Ed25519PublicKey.from_public_bytes(seal.public_key).verify(seal.signature, text + b" ")


async def test_the_same_seal_again_is_the_same_answer_and_another_one_is_refused(house: House):
    first = await house.seals.seal(*asked())
    house.clock.advance(timedelta(hours=1))
    assert await house.seals.seal(*asked()) == first
    with pytest.raises(SealConflict, match="of other rows"):
        await house.seals.seal(*asked(audit=tree("audit changed", 3)))
    assert await house.count("seals") == 1


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"number": 3}, "number"),
        ({"previous": BEFORE_ALL}, "previous"),
        ({"previous": b"x" * 32}, "previous"),
        ({"part": 2}, "part"),
        ({"day": LONG_AGO}, "part"),
    ],
)
async def test_a_seal_that_does_not_follow_is_refused(house: House, changes: Any, param: str):
    first = await house.seals.seal(*asked())
    with pytest.raises(SealConflict) as refused:
        await house.seals.seal(*asked(first, **changes))
    assert refused.value.param == param
    assert await house.count("seals") == 1


async def test_fifty_callers_make_one_seal(house: House):
    made = await asyncio.gather(*(house.seals.seal(*asked()) for _ in range(50)))
    assert len({seal.hash for seal in made}) == 1
    assert await house.count("seals") == 1


async def test_fifty_different_callers_make_one_seal_and_forty_nine_conflicts(house: House):
    wanted = [asked(audit=tree(str(n), n)) for n in range(50)]
    calls = [house.seals.seal(*each) for each in wanted]
    made = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(each, Seal) for each in made) == 1
    assert sum(isinstance(each, SealConflict) for each in made) == 49
    assert await house.count("seals") == 1


async def held(house: House, day: date) -> dict[str, int]:
    found = await house.rows(
        "select (select count(*) from payment_events), (select count(*) from ledger_entries"
        " where business_date = %s)",
        day,
    )
    return dict(zip(("events", "entries"), found[0], strict=True))


async def test_a_day_is_sealed_only_when_the_warehouse_has_all_of_it(house: House):
    merchant = await house.merchant()
    await house.pay(merchant, 10_000)
    day = business_date(house.clock.now())
    rows = await held(house, day)
    assert rows["entries"] > 0

    async def seal(part: int, after: Seal | None, sizes: dict[str, int], holds: dict[str, int]):
        trees = {name: tree(name, size) for name, size in sizes.items()}
        return await house.seals.seal(draft(after, day=day, part=part, **trees), Rows(**holds))

    for name in rows:
        for by in (-1, 1):
            with pytest.raises(SealMismatch) as refused:
                await seal(1, None, rows, rows | {name: rows[name] + by})
            assert refused.value.param == f"holds.{name}"
        with pytest.raises(SealMismatch, match="would be sealed of"):
            await seal(1, None, rows | {name: rows[name] + 1}, rows)
    first = await seal(1, None, rows, rows)
    with pytest.raises(SealMismatch):
        await seal(2, first, {"events": 1, "entries": 0}, rows)
    await house.pay(merchant, 5_000)
    more = await held(house, day)
    late = {name: more[name] - rows[name] for name in rows}
    second = await seal(2, first, late, more)
    assert (second.day, second.part, second.number) == (day, 2, 2)


async def test_what_was_read_before_the_day_began_is_not_counted_again(house: House):
    day = business_date(house.clock.now())
    first = await house.seals.seal(*asked(upto_xid=2**62))
    await house.pay(await house.merchant(), 10_000)
    # The mark of this epoch claims to be beyond everything: nothing of the day can lie behind it.
    house.clock.advance(timedelta(days=1))
    after = asked(first, day=day + timedelta(days=1))
    await house.pay(await house.merchant(), 10_000)
    second = await house.seals.seal(*after)
    # After a restore transaction ids mean something else, and everything is looked at.
    with pytest.raises(SealMismatch):
        await house.seals.seal(
            *asked(second, day=day + timedelta(days=1), part=2, epoch="another", upto_xid=1)
        )


@pytest.mark.parametrize(
    "change",
    [
        "update seals set entries_size = 0",
        "delete from seals",
        "truncate seals cascade",
    ],
)
async def test_the_database_refuses_to_change_a_seal(
    house: House, postgres, database_url: str, change: str
):
    await house.seals.seal(*asked())
    for role in (None, "khata_app"):
        url = as_role(postgres, database_url, role) if role else database_url
        with psycopg.connect(url) as connection, pytest.raises(errors.InsufficientPrivilege):
            connection.execute(change)


async def test_the_database_refuses_a_fork(house: House, database_url: str):
    first = await house.seals.seal(*asked())
    await house.seals.seal(*asked(first))
    copied = (
        "insert into seals select 3, {previous}, date '2030-01-01', 1, events_root, events_size,"
        " entries_root, entries_size, audit_root, audit_size, epoch, upto_xid, sealed_at,"
        " sha256('x'), key_id, public_key, signature from seals where number = 2"
    )
    with psycopg.connect(database_url) as connection:
        with pytest.raises(errors.UniqueViolation):
            connection.execute(copied.format(previous="previous"))
        connection.rollback()
        with pytest.raises(errors.CheckViolation):
            connection.execute(copied.format(previous="null"))
        connection.rollback()
        with pytest.raises(errors.ForeignKeyViolation):
            connection.execute(copied.format(previous="sha256('nowhere')"))


# ── keys ─────────────────────────────────────────────────────────────────────────────────


async def test_keys_stay_published_after_they_were_changed_and_lost(house: House):
    old, new = {1: b"1" * 32}, {2: b"2" * 32}
    first = await house.seals.seal(*asked())
    turned = Seals(house.database, house.clock, FileSealKeys(KeyRing("seal_signing", old | new)))
    second = await turned.seal(*asked(first))
    assert second.key_id != first.key_id
    lost = Seals(house.database, house.clock, FileSealKeys(KeyRing("seal_signing", new)))
    published = {key.key_id: key.value for key in await lost.keys()}
    assert published == {
        first.key_id: first.public_key,
        second.key_id: second.public_key,
    }
    assert all(key_id_of(value) == key_id for key_id, value in published.items())


def test_a_key_file_is_made_once_and_is_its_owners_alone(tmp_path):
    made = load_seal_keys(tmp_path / "keys")
    assert load_seal_keys(tmp_path / "keys").current == made.current
    path = tmp_path / "keys" / "seal_signing.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.current.jwk["kid"] == made.current.key_id
    path.chmod(0o644)
    with pytest.raises(KeyFileRefused):
        load_seal_keys(tmp_path / "keys")


def test_the_thumbprint_is_that_of_the_standard():
    # RFC 8037, appendix A.3.
    public = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert key_id_of(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


# ── over HTTP ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
async def client(house: House) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        [routes.router, routes.internal_router],
        dependencies={"seals": Provide(lambda: house.seals, sync_to_thread=False)},
        plugins=[HttpPlugin()],
    )
    transport = httpx.ASGITransport(app=wrap(app))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://khata") as client:
        yield client


def body(**changes: Any) -> dict[str, Any]:
    empty = {"root": hashlib.sha256(b"").hexdigest(), "size": 0}
    return {
        "number": 1,
        "previous": "0" * 64,
        "day": LONG_AGO.isoformat(),
        "part": 1,
        **dict.fromkeys(("events", "entries", "audit"), empty),
        "holds": {"events": 0, "entries": 0},
        "epoch": "e",
        "upto_xid": 5,
        **changes,
    }


async def test_sealing_and_reading_over_http(client: httpx.AsyncClient):
    made = await client.post("/internal/v1/seals", json=body())
    assert made.status_code == 200, made.text
    assert (await client.post("/internal/v1/seals", json=body())).json() == made.json()
    again = await client.post("/internal/v1/seals", json=body(part=7))
    assert (again.status_code, again.json()["code"]) == (409, "seal_conflict")
    lacking = {"root": "0" * 64, "size": 1}
    other = body(number=2, previous=made.json()["hash"], part=2, entries=lacking)
    behind = await client.post("/internal/v1/seals", json=other)
    assert (behind.status_code, behind.json()["code"]) == (409, "seal_mismatch")
    page = (await client.get("/api/v1/seals", params={"day": LONG_AGO.isoformat()})).json()
    assert page == {"data": [made.json()], "has_more": False}
    later = (await client.get("/api/v1/seals", params={"starting_after": 1})).json()
    assert later == {"data": [], "has_more": False}
    keys = (await client.get("/api/v1/seals/keys")).json()["keys"]
    assert [key["kid"] for key in keys] == [made.json()["key_id"]]
    assert keys[0]["x"] == made.json()["public_key"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"number": 0}, "number"),
        ({"number": 2**63}, "number"),
        ({"previous": "0" * 63}, "previous"),
        ({"previous": "G" * 64}, "previous"),
        ({"day": "yesterday"}, "day"),
        ({"events": {"root": "0" * 64, "size": -1}}, "events.size"),
        ({"surprise": 1}, "surprise"),
    ],
)
async def test_what_cannot_be_a_seal_is_named(client: httpx.AsyncClient, changes: Any, param: str):
    answer = await client.post("/internal/v1/seals", json=body(**changes))
    assert answer.status_code == 422
    assert param in {error["param"] for error in answer.json()["errors"]}


async def test_a_statement_is_signed_the_same_each_time(client: httpx.AsyncClient, house: House):
    statement = {
        "merchant_id": ids.encode("mrc", ids.derived("m")),
        "number": 7,
        "edition": 1,
        "start_date": "2026-11-16",
        "end_date": "2026-11-17",
        "content_sha256": "a" * 64,
        "files": {"statement.csv": "c" * 64, "statement.json": "b" * 64},
    }
    first = await client.post("/internal/v1/seals/statements", json=statement)
    assert first.status_code == 200, first.text
    assert (await client.post("/internal/v1/seals/statements", json=statement)).json() == (
        first.json()
    )
    (key,) = await house.seals.keys()
    signature = base64.urlsafe_b64decode(first.json()["signature"] + "==")
    text = {"type": "khata.statement.v1", **statement}
    signed = msgspec.json.encode(text, order="sorted")
    Ed25519PublicKey.from_public_bytes(key.value).verify(signature, signed)


def test_who_may_call_what():
    found: dict[str, Access] = {}
    for router in (routes.router, routes.internal_router):
        for route in router.routes:
            for handler in getattr(route, "route_handlers", ()):
                if OPT in handler.opt:
                    found[route.path] = handler.opt[OPT]
    assert found["/internal/v1/seals"].scopes == SERVICE_SCOPES
    assert found["/internal/v1/seals/statements"].scopes == SERVICE_SCOPES
    assert "statements:read" in found["/api/v1/seals"].scopes
    assert found["/api/v1/seals/keys"].public
