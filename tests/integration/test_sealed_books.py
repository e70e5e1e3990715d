"""From a payment to a checked pack: online's books, the lake, the seal, the verifier."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import anyio
import msgspec
import psycopg
import pytest

from online.kernel import ids
from online.kernel.clock import IST, business_date
from online.platform.embedded_postgres import EmbeddedPostgres
from online.seals.domain import Draft, Rows, SealedStatement, SealMismatch, Tree
from online.seals.keys import base64url
from online.seals.routes import SealView
from tests.house import House, house_on
from tests.unit.warehouse.books import DAY, NEXT_DAY, Books, noon
from tests.unit.warehouse.seals import Signer, read_until
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource, ingest
from warehouse.proof import sealing
from warehouse.proof.checking import verify_seals
from warehouse.statements import verify_statement as verifier
from warehouse.statements.build import build
from warehouse.statements.pack import pack
from warehouse.statements.render import render

pytestmark = pytest.mark.anyio


class Desk:
    """Offline's calls, answered by online's own services on their loop."""

    def __init__(self, house: House) -> None:
        self.house = house

    def seal(self, body: object) -> dict[str, Any]:
        assert isinstance(body, sealing.Draft)
        fields = {name: getattr(body, name) for name in sealing.Draft.__struct_fields__}
        holds = Rows(**msgspec.structs.asdict(fields.pop("holds")))
        for name in ("events", "entries", "audit"):
            tree = fields[name]
            fields[name] = Tree(root=bytes.fromhex(tree.root), size=tree.size)
        fields["previous"] = bytes.fromhex(body.previous)
        made = anyio.from_thread.run(self.house.seals.seal, Draft(**fields), holds)
        found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(SealView.of(made)))
        return found

    def sign(self, body: dict[str, Any]) -> dict[str, str]:
        signed = self.house.seals.sign_statement(
            SealedStatement(
                merchant_id=ids.decode("mrc", body["merchant_id"]),
                number=body["number"],
                edition=body["edition"],
                start_date=date.fromisoformat(body["start_date"]),
                end_date=date.fromisoformat(body["end_date"]),
                content_sha256=bytes.fromhex(body["content_sha256"]),
                files=body["files"],
            )
        )
        return {"key_id": signed.key_id, "signature": base64url(signed.value)}


def tomorrow(house: House) -> datetime:
    day = business_date(house.clock.now()) + timedelta(days=1)
    return datetime.combine(day, time(1), IST)


async def test_a_payment_is_sealed_and_its_statement_checks(
    database_url: str, reader_url: str, tmp_path: Path
) -> None:
    config = LakeConfig(catalog=str(tmp_path / "c.ducklake"), data_path=str(tmp_path / "lake"))
    async with house_on(database_url) as house:
        merchant = await house.merchant()
        payment = await house.pay(merchant, 10_000)
        await house.pay(merchant, 7_500, method="card")
        await house.refund(payment, 2_000)
        day, desk, source = (
            business_date(house.clock.now()),
            Desk(house),
            PostgresSource(reader_url),
        )

        def first_night() -> None:
            with Warehouse(config) as lake:
                schema.ensure(lake)
                ingest(lake, source, at=tomorrow(house))
                assert sealing.seal(lake, until=day, send=desk.seal) == [(day, 1)]
                assert verify_seals(lake).wrong == []
                # The log read anew gives the same leaves: nothing hangs on how it was copied.
                lake.execute("DELETE FROM ingest_watermark WHERE source <> 'events'")
                lake.execute("UPDATE ingest_watermark SET epoch = 'another'")
                assert ingest(lake, source, at=tomorrow(house)).rebuilt
                found = verify_seals(lake)
                assert (found.wrong, found.late) == ([], [])
                assert found.rows > 20

        await anyio.to_thread.run_sync(first_night)
        await house.pay(merchant, 5_000)

        def second_night() -> None:
            with Warehouse(config) as lake:
                # What online has and the lake has not is no reason to seal less.
                read_all = PostgresSource(reader_url)
                ingest(lake, read_all, at=tomorrow(house))
                assert sealing.seal(lake, until=day, send=desk.seal) == [(day, 2)]
                statement = build(lake, merchant_id=merchant.id, start_date=day, end_date=day)
                files = {f"statement.{form}": render(statement, form) for form in ("json", "csv")}
                files["statement.pdf"] = b"%PDF"
                with lake.at_version(statement.snapshot) as then:
                    made = pack(then, statement, files=files, sign=desk.sign)
                (tmp_path / "pack.zip").write_bytes(made)

        await anyio.to_thread.run_sync(second_night)
        keys = {"keys": [key.jwk for key in await house.seals.keys()]}
        (tmp_path / "keys.json").write_bytes(msgspec.json.encode(keys))
        assert verifier.verify(tmp_path / "pack.zip", tmp_path / "keys.json", "") == 0


async def test_a_lake_that_is_behind_is_not_sealed(
    database_url: str, reader_url: str, tmp_path: Path
) -> None:
    config = LakeConfig(catalog=str(tmp_path / "c.ducklake"), data_path=str(tmp_path / "lake"))
    async with house_on(database_url) as house:
        merchant = await house.merchant()
        await house.pay(merchant, 10_000)
        day, desk = business_date(house.clock.now()), Desk(house)

        def copy() -> None:
            with Warehouse(config) as lake:
                schema.ensure(lake)
                ingest(lake, PostgresSource(reader_url), at=tomorrow(house))

        def seal() -> list[tuple[date, int]]:
            with Warehouse(config) as lake:
                return sealing.seal(lake, until=day, send=desk.seal)

        await anyio.to_thread.run_sync(copy)
        await house.pay(merchant, 5_000)
        with pytest.raises(SealMismatch, match="bring it up to date"):
            await anyio.to_thread.run_sync(seal)
        assert await house.count("seals") == 0
        # Brought up to date, what was drafted goes as it was, and what came since after it.
        await anyio.to_thread.run_sync(copy)
        assert await anyio.to_thread.run_sync(seal) == [(day, 1), (day, 2)]


def test_two_runs_at_once_draft_a_day_once(postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("create database sealing_lake")
    config = LakeConfig(
        catalog=postgres.url("sealing_lake"), data_path=str(tmp_path / "lake"), threads=1
    )
    with Warehouse(config) as lake:
        schema.ensure(lake)
        books = Books(lake)
        for number in range(4):
            books.capture(f"c{number}", 10_000, noon(DAY, minute=number))
        read_until(lake, noon(NEXT_DAY))
    signer, together = Signer(), Barrier(3)

    def run() -> list[tuple[date, int]]:
        with Warehouse(config) as own:
            together.wait()
            return sealing.seal(own, until=DAY, send=signer)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: run(), range(3)))
    with Warehouse(config) as lake:
        assert lake.rows("SELECT day, part, number FROM proof_seals") == [(DAY, 1, 1)]
        assert lake.count("proof_leaves") == 20
        assert verify_seals(lake).wrong == []
