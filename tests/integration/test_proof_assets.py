"""A day is sealed by Dagster: once, with what came late, and with checks that notice tampering."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest

from tests.integration.test_assets import House, checks, metadata
from tests.unit.warehouse.books import DAY, NEXT_DAY, Books, noon
from tests.unit.warehouse.seals import Signer, read_until
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.proof import sealing

PROOF = dg.AssetSelection.groups("proof")
HOLDS, LATE = "proof_seals.the_seal_holds", "proof_seals.late_rows_are_sealed"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    catalog, data = str(tmp_path / "lake.ducklake"), str(tmp_path / "lake")
    config = LakeConfig(catalog=catalog, data_path=data, threads=1)
    with Warehouse(config) as warehouse, dg.DagsterInstance.ephemeral() as instance:
        schema.ensure(warehouse)
        house = House(tmp_path, warehouse, instance)
        signer = Signer()

        def send(path: str, body: object) -> dict[str, Any]:
            assert path == "seals"
            return signer(msgspec.convert(body, sealing.Draft))

        house.online.send = send  # type: ignore[method-assign]
        read_until(warehouse, noon(NEXT_DAY))
        yield house


def test_a_day_is_sealed_once_and_late_rows_by_themselves(house: House) -> None:
    books = Books(house.warehouse)
    books.capture("a", 10_000, noon(DAY))
    first = house.run(PROOF, DAY)
    assert first.success
    assert all(checks(first).values()), checks(first)
    assert house.run(PROOF, DAY).success
    assert house.warehouse.count("proof_seals") == 1
    books.capture("late", 20_000, noon(DAY, minute=1))
    again = house.run(PROOF, DAY)
    assert (again.success, metadata(again, "proof_seals")["late_parts"]) == (True, 1)
    found = house.warehouse.rows("SELECT number, day, part, entries_size FROM proof_seals")
    assert sorted(found) == [(1, DAY, 1, 5), (2, DAY, 2, 5)]


def test_the_checks_notice_what_was_changed_and_what_waits(house: House) -> None:
    books = Books(house.warehouse)
    books.capture("a", 10_000, noon(DAY))
    assert house.run(PROOF, DAY).success
    only_checks = dg.AssetSelection.checks_for_assets("proof_seals")
    books.capture("late", 20_000, noon(DAY, minute=1))
    waiting = checks(house.run(only_checks))
    assert (waiting[HOLDS], waiting[LATE]) == (True, False)
    house.warehouse.execute("UPDATE raw_entries SET amount_minor = 1 WHERE account_version = 2")
    assert checks(house.run(only_checks))[HOLDS] is False


def test_a_day_that_is_not_over_is_not_sealed(house: House) -> None:
    Books(house.warehouse).capture("a", 10_000, noon(NEXT_DAY))
    done = house.run(PROOF, NEXT_DAY)
    assert not done.success
    assert house.warehouse.count("proof_seals") == 0
