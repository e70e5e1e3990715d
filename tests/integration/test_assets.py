"""Assets and their checks together, over a real lake, with online's API faked at the edge."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import numpy as np
import pytest

from assets import statements, training_table
from assets.ports import Folders
from models.fraud.dataset import Dataset, Part, Split
from models.fraud.features import feature_names
from online.kernel.clock import FixedClock
from online.sandbox import camt, switch_file
from pipelines.definitions import ASSETS, CHECKS
from tests.unit.warehouse.books import (
    DAY,
    MERCHANT_ID,
    NEXT_DAY,
    PENDING,
    Books,
    bank_file,
    credit,
    noon,
    rail_file,
    rail_line,
)
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse

LATE_DAY = DAY + timedelta(days=2)
GROUPS = dg.AssetSelection.groups
RECONCILE = GROUPS("staging") | GROUPS("reconciliation")


class FakeOnline:
    """Posts once a cause and kind, as online does; remembers all that it was told."""

    def __init__(self) -> None:
        self.posted: dict[tuple[str, str], dict[str, Any]] = {}
        self.breaks: dict[tuple[str, int, str], dict[str, Any]] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.statements: list[dict[str, Any]] = []
        self.refuse: set[str] = set()

    def send_lines(self, path: str, lines: Sequence[object]) -> list[dict[str, Any]]:
        wire = [msgspec.json.decode(msgspec.json.encode(line)) for line in lines]
        return [getattr(self, f"_{path.replace('-', '_')}")(line) for line in wire]

    def send(self, path: str, body: object) -> dict[str, Any]:
        assert path == "statements"
        self.statements.append(msgspec.json.decode(msgspec.json.encode(body)))
        return {"status": "stored"}

    def _postings(self, line: dict[str, Any]) -> dict[str, Any]:
        key = (line["cause"], line["kind"])
        if line["kind"] in self.refuse:
            return {"cause": key[0], "kind": key[1], "status": "refused", "detail": "no"}
        status = "exists" if key in self.posted else "posted"
        self.posted.setdefault(key, line)
        return {"cause": key[0], "kind": key[1], "status": status}

    def _breaks(self, line: dict[str, Any]) -> dict[str, Any]:
        key = (line["break_id"], line["generation"], line["state"])
        status = "exists" if key in self.breaks else "posted"
        self.breaks.setdefault(key, line)
        return {"break_id": line["break_id"], "status": status}

    def _settlement_batches(self, line: dict[str, Any]) -> dict[str, Any]:
        status = "exists" if line["merchant_id"] in self.batches else "accepted"
        self.batches.setdefault(line["merchant_id"], line)
        return {"merchant_id": line["merchant_id"], "status": status, "settlement_id": "stl_1"}

    def balances(self) -> dict[str, int]:
        """What the postings taken so far moved, by account."""
        found: dict[str, int] = {}
        for line in self.posted.values():
            for entry in line["entries"]:
                found[entry["account"]] = found.get(entry["account"], 0) + entry["amount"]
        return found


class House:
    """A lake, folders, a clock, a fake online, and Dagster runs over them."""

    def __init__(self, folder: Path, warehouse: Warehouse, instance: dg.DagsterInstance) -> None:
        self.warehouse = warehouse
        self.folders = Folders(folder, folder / "models" / "fraud.bundle")
        self.online = FakeOnline()
        self.clock = FixedClock(noon(NEXT_DAY))
        self._instance = instance

    def run(
        self, selection: dg.AssetSelection, day: object = None, **config: Any
    ) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [*ASSETS, *CHECKS],
            selection=selection,
            partition_key=None if day is None else str(day),
            run_config={"ops": config},
            raise_on_error=False,
            instance=self._instance,
            resources={
                "warehouse": self.warehouse,
                "online": self.online,
                "clock": self.clock,
                "folders": self.folders,
                "source": None,
                "tracking": None,
            },
        )

    def receive(self, name: str, content: bytes) -> None:
        self.folders.inbox.mkdir(parents=True, exist_ok=True)
        (self.folders.inbox / name).write_bytes(content)
        assert self.run(GROUPS("bank_files")).success


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    catalog, data = str(tmp_path / "lake.ducklake"), str(tmp_path / "lake")
    config = LakeConfig(catalog=catalog, data_path=data, threads=1)
    with Warehouse(config) as warehouse, dg.DagsterInstance.ephemeral() as instance:
        schema.ensure(warehouse)
        yield House(tmp_path, warehouse, instance)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {
        f"{check.asset_key.to_user_string()}.{check.check_name}": check.passed
        for check in result.get_asset_check_evaluations()
    }


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        event.materialization.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
    }


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (found,) = (
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.materialization.asset_key == dg.AssetKey(asset)
    )
    return {name: value.value for name, value in found.items()}


def first_night(house: House) -> dict[str, str]:
    """A good row, a wrong one, and one that comes two days late; one more than we know of."""
    books = Books(house.warehouse)
    names = ("good", "wrong", "late")
    references = {name: books.capture(name, 10_000, noon(DAY)) for name in names}
    lines = [
        rail_line(references["good"], 10_000, noon(DAY)),
        rail_line(references["wrong"], 9_900, noon(DAY)),
        rail_line("att_unknown", 777, noon(DAY)),
    ]
    settled = rail_file(lines, DAY)
    house.receive(settled.file_name, switch_file.render(settled))
    return references


def test_files_are_loaded_or_quarantined_and_the_inbox_is_emptied(house: House) -> None:
    first_night(house)
    result = house.run(GROUPS("bank_files"))
    assert metadata(result, "raw_bank_files")["files"] == 0
    house.receive("broken.xml", b"<Document/>")
    house.receive("again.csv", (next((house.folders.received / "loaded").iterdir())).read_bytes())
    statuses = house.warehouse.rows("SELECT status, count(*) FROM raw_bank_files GROUP BY 1")
    assert dict(statuses) == {"loaded": 1, "quarantined": 1}
    assert {path.name for path in house.folders.received.iterdir()} == {
        "loaded",
        "quarantined",
        "duplicate",
    }
    assert list(house.folders.inbox.iterdir()) == []


def test_breaks_post_once_however_often_the_day_is_run(house: House) -> None:
    first_night(house)
    first = house.run(RECONCILE, DAY)
    assert first.success
    assert all(checks(first).values())
    about = metadata(first, "break_postings_sent")
    assert about["lines_posted"] == about["lines"] == 3
    before = house.online.balances()
    again = house.run(RECONCILE, DAY)
    assert metadata(again, "break_postings_sent")["lines_exists"] == 3
    assert metadata(again, "file_postings_sent")["lines_exists"] == 1
    assert house.online.balances() == before
    # All that the rail owed is settled or in suspense.
    captured_minor = 30_000
    assert before["rail:upi_hdfc:receivable"] == captured_minor
    assert before["suspense:upi_hdfc"] == 777 - 100 - 10_000


def test_a_late_row_takes_its_money_out_of_suspense_once(house: House) -> None:
    references = first_night(house)
    house.run(RECONCILE, DAY)
    late = rail_file([rail_line(references["late"], 10_000, noon(DAY))], LATE_DAY)
    house.receive(late.file_name, switch_file.render(late))
    house.clock.at = noon(LATE_DAY + timedelta(days=1))
    for _ in range(2):
        for day in (LATE_DAY, DAY):
            assert house.run(RECONCILE, day).success
    kinds = [kind for _, kind in house.online.posted]
    assert kinds.count("break_reversal") == 1
    assert kinds.count("rail_settlement") == 2
    assert house.online.balances()["suspense:upi_hdfc"] == 777 - 100
    found = house.warehouse.rows("SELECT kind, reference FROM recon_breaks ORDER BY 1")
    assert ("timing", references["late"]) in found
    states = sorted((state, line["kind"]) for (_, _, state), line in house.online.breaks.items())
    assert ("closed", "missing_external") in states


def test_a_posting_that_online_refuses_fails_the_step_and_names_it(house: House) -> None:
    first_night(house)
    house.online.refuse.add("break_suspense")
    result = house.run(RECONCILE, DAY)
    assert not result.success
    failed = [event for event in result.all_events if event.is_step_failure]
    assert [event.step_key for event in failed] == ["break_postings_sent"]
    assert house.online.breaks, "other steps go on: finance still hears of the breaks"


def test_a_ledger_that_does_not_match_stops_reconciliation(house: House) -> None:
    first_night(house)
    house.run(GROUPS("staging"), DAY)
    # Rows that the ledger does not have, as a broken staging statement would leave them.
    house.warehouse.execute("UPDATE raw_transactions SET reference = NULL WHERE kind = 'capture'")
    result = house.run(RECONCILE, DAY)
    assert not result.success
    assert checks(result)["stg_ledger_rows.columns"] is False
    assert "recon_breaks" not in made(result)
    assert house.online.posted == {}


def test_a_wrong_amount_in_staging_is_caught_in_sql(house: House) -> None:
    first_night(house)
    house.run(RECONCILE, DAY)
    house.warehouse.execute("UPDATE stg_rail_rows SET net_minor = net_minor + 1")
    check = dg.AssetSelection.checks_for_assets("stg_rail_rows")
    assert checks(house.run(check))["stg_rail_rows.net_is_gross_less_costs"] is False


def test_a_day_settles_once_and_closes_with_nothing_owed(house: House) -> None:
    books = Books(house.warehouse)
    reference = books.capture("good", 10_000, noon(DAY))
    payable = "refunds:upi_hdfc:payable"
    books.post("refund_requested", "rfd_1", [(PENDING, -1_000), (payable, 1_000)], noon(DAY))
    settled = rail_file([rail_line(reference, 10_000, noon(DAY))], DAY)
    house.receive(settled.file_name, switch_file.render(settled))
    statement = bank_file(NEXT_DAY, 5_000, credit(settled))
    house.receive(statement.file_name, camt.render(statement))
    assert house.run(RECONCILE, NEXT_DAY).success
    assert house.run(RECONCILE, DAY).success
    for _ in range(2):
        result = house.run(GROUPS("settlement"), DAY)
        assert result.success
        assert all(checks(result).values())
    (batch,) = house.online.batches.values()
    assert (batch["gross"], batch["refunds"], batch["fees"], batch["tax"]) == (
        10_000,
        1_000,
        200,
        36,
    )
    assert batch["net"] == 8_764
    about = metadata(result, "settlements_sent")
    assert (about["lines_exists"], about["paid_out"]) == (1, "₹87.64")
    # What online posted comes back with the next ingest.
    for line in list(house.online.posted.values()):
        legs = [(entry["account"], entry["amount"]) for entry in line["entries"]]
        books.post(line["kind"], line["cause"], legs, noon(DAY))
    result = house.run(dg.AssetSelection.assets("mart_trial_balance"), DAY)
    assert result.success, checks(result)
    assert metadata(result, "mart_trial_balance")["sum_closing_minor"] == 0
    (transit,) = house.warehouse.rows(
        "SELECT closing_minor FROM mart_trial_balance WHERE account = 'rail:upi_hdfc:in_transit'"
    )
    assert transit == (0,)


def test_a_batch_that_is_not_the_ledgers_is_not_sent(house: House) -> None:
    books = Books(house.warehouse)
    books.capture("good", 10_000, noon(DAY))
    # A kind that settlement lines count and the ledger's definition of a day does not.
    books.post("gift", "g1", [(PENDING, 500), ("equity:opening", -500)], noon(DAY))
    result = house.run(GROUPS("settlement"), DAY)
    assert not result.success
    assert checks(result)["settlement_batches.batches_equal_the_ledger"] is False
    assert house.online.batches == {}


def asked(form: str) -> dict[str, Any]:
    return {
        "merchant_id": MERCHANT_ID,
        "start_date": str(DAY),
        "end_date": str(NEXT_DAY),
        "format": form,
    }


def test_statements_are_checked_before_they_are_published(house: House) -> None:
    Books(house.warehouse).capture("good", 10_000, noon(DAY))
    config = {"config": {"requests": [asked(form) for form in statements.FORMATS]}}
    result = house.run(GROUPS("statements"), statement_files=config)
    assert result.success, checks(result)
    assert {each["format"] for each in house.online.statements} == set(statements.FORMATS)
    assert len({each["statement_id"] for each in house.online.statements}) == 3
    for sent in house.online.statements:
        content = base64.b64decode(sent["content_base64"])
        assert hashlib.sha256(content).hexdigest() == sent["sha256"]


def test_a_statement_that_does_not_foot_stays_here(house: House, monkeypatch: Any) -> None:
    Books(house.warehouse).capture("good", 10_000, noon(DAY))
    build = statements.build

    def off_by_one(*args: Any, **kwargs: Any) -> statements.Statement:
        built = build(*args, **kwargs)
        return msgspec.structs.replace(built, closing_minor=built.closing_minor + 1)

    monkeypatch.setattr(statements, "build", off_by_one)
    config = {"config": {"first_day": str(DAY), "last_day": str(DAY)}}
    result = house.run(GROUPS("statements"), statement_files=config)
    assert not result.success
    assert checks(result) == {"statement_files.statements_foot": False}
    assert house.online.statements == []


def test_a_training_set_comes_back_as_it_was_stored(house: House) -> None:
    rng = np.random.default_rng(1)

    def part(size: int) -> Part:
        return Part(
            rows=rng.normal(size=(size, len(feature_names()))).astype(np.float32),
            targets=(rng.random(size) < 0.3).astype(np.int8),
            at_us=np.arange(size, dtype=np.int64),
            instruments=np.array([f"i{n % 3}" for n in range(size)]),
            amounts=rng.integers(1, 2**53, size),
        )

    split = Split(noon(DAY), noon(DAY) + timedelta(days=20), timedelta(days=7))
    dataset = Dataset(part(40), part(7), split, noon(DAY) - timedelta(days=30), "17")
    assert training_table.store(house.warehouse, dataset) == 47
    found = training_table.load(house.warehouse)
    assert (found.split, found.trained_from, found.snapshot) == (split, dataset.trained_from, "17")
    for kept, stored in ((found.train, dataset.train), (found.test, dataset.test)):
        for name in ("rows", "targets", "at_us", "instruments", "amounts"):
            assert np.array_equal(getattr(kept, name), getattr(stored, name)), name
        assert kept.rows.dtype == np.float32
