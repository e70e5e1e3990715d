"""Assets and their checks together, over a real lake, with online's API faked at the edge."""

import base64
import hashlib
import io
import json
import zipfile
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
from online.kernel import ids
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
        self.returns: dict[str, dict[str, Any]] = {}
        self.statements: list[dict[str, Any]] = []
        self.disputes: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.links: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.numbers: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        self.refuse: set[str] = set()

    def send_lines(self, path: str, lines: Sequence[object]) -> list[dict[str, Any]]:
        wire = [msgspec.json.decode(msgspec.json.encode(line)) for line in lines]
        return [getattr(self, f"_{path.replace('-', '_')}")(line) for line in wire]

    def send(self, path: str, body: object) -> dict[str, Any]:
        if path == "seals/statements":
            return {"key_id": "seal-1", "signature": "signed"}
        assert path == "statements"
        self.statements.append(msgspec.json.decode(msgspec.json.encode(body)))
        return {"status": "stored"}

    def _statement_numbers(self, line: dict[str, Any]) -> dict[str, Any]:
        """One number a period, an edition for each books_sha256."""
        of = ("merchant_id", "start_date", "end_date", "currency")
        editions = self.numbers.setdefault(tuple(line[name] for name in of), [])
        new = not editions or editions[-1]["books_sha256"] != line["books_sha256"]
        if new:
            said = {name: line[name] for name in ("snapshot", "books_sha256")}
            about = {"number": len(self.numbers), "edition": len(editions) + 1}
            editions.append({**said, **about, "issued_at": "2026-12-01T00:00:00Z"})
        replaces = editions[-2] if len(editions) > 1 else None
        status = "issued" if new else "exists"
        return {**line, "status": status, "edition": editions[-1], "replaces": replaces}

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

    def _payout_returns(self, line: dict[str, Any]) -> dict[str, Any]:
        status = "exists" if line["attempt_id"] in self.returns else "recorded"
        self.returns.setdefault(line["attempt_id"], line)
        return {"attempt_id": line["attempt_id"], "status": status}

    def _disputes(self, line: dict[str, Any]) -> dict[str, Any]:
        key = (line["rail"], line["reference"], line["status"])
        status = "exists" if key in self.disputes else "posted"
        self.disputes.setdefault(key, line)
        return {"rail": key[0], "reference": key[1], "status": status}

    def _trace_links(self, line: dict[str, Any]) -> dict[str, Any]:
        key = (line["attempt"], line["hop"], line["reference"])
        status = "exists" if key in self.links else "posted"
        self.links.setdefault(key, line)
        return {"attempt": line["attempt"], "status": status}

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

    def utr(self) -> str:
        """Of the one settlement that the rails announced."""
        ((found,),) = self.warehouse.rows("SELECT DISTINCT utr FROM stg_rail_rows")
        return str(found)

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


def test_a_payout_that_the_bank_sends_back_is_told_once(house: House) -> None:
    reference = ids.encode("att", ids.derived("attempt", "p"))
    house.warehouse.execute(
        "INSERT INTO stg_payout_rows (entry_id, reference, amount_minor, currency, business_date)"
        " VALUES ('e1', $reference, 5000, 'INR', $day)",
        reference=reference,
        day=DAY,
    )
    for line, named, amount in (
        ("l1", reference, -5_000),
        ("l2", reference, 5_000),
        ("l3", "x", 7),
    ):
        house.warehouse.execute(
            "INSERT INTO stg_bank_lines (line_id, booking_date, amount_minor, currency, reference,"
            " utr) VALUES ($line, $day, $amount, 'INR', $named, 'N1')",
            line=line,
            day=NEXT_DAY,
            amount=amount,
            named=named,
        )
    for told in ("lines_recorded", "lines_exists"):
        result = house.run(dg.AssetSelection.assets("payout_returns_sent"), NEXT_DAY)
        assert result.success
        assert metadata(result, "payout_returns_sent")[told] == 1
    assert house.online.returns == {
        reference: {
            "attempt_id": reference,
            "amount": 5_000,
            "returned_on": str(NEXT_DAY),
            "reference": "N1",
        }
    }


def test_a_batch_that_is_not_the_ledgers_is_not_sent(house: House) -> None:
    books = Books(house.warehouse)
    books.capture("good", 10_000, noon(DAY))
    # A kind that settlement lines count and the ledger's definition of a day does not.
    books.post("gift", "g1", [(PENDING, 500), ("equity:opening", -500)], noon(DAY))
    result = house.run(GROUPS("settlement"), DAY)
    assert not result.success
    assert checks(result)["settlement_batches.batches_equal_the_ledger"] is False
    assert house.online.batches == {}


def test_what_goes_back_to_the_payer_is_reconciled_and_settled(house: House) -> None:
    """A reversal and a lost dispute as both sides have them, and one of each on one side only."""
    books = Books(house.warehouse)
    paid = [books.capture(name, 10_000, noon(DAY)) for name in ("a", "b", "c")]
    back = books.reverse("back", "a", 10_000, noon(DAY, minute=1))
    unseen = books.reverse("unseen", "b", 10_000, noon(DAY, minute=1))
    books.dispute("c", 10_000, noon(DAY, minute=2))
    lost = books.lose("c", 10_000, noon(DAY, minute=3))
    books.dispute_fee("c", 50_000, 9_000, noon(DAY, minute=3))
    settled = rail_file(
        [
            *(rail_line(reference, 10_000, noon(DAY)) for reference in paid),
            rail_line(back, -10_000, noon(DAY), type="REVERSAL"),
            rail_line(lost, -10_000, noon(DAY), type="CHARGEBACK"),
            rail_line("att_unknown", -300, noon(DAY), type="REVERSAL"),
            rail_line("CB7", -70, noon(DAY), type="CHARGEBACK"),
        ],
        DAY,
    )
    house.receive(settled.file_name, switch_file.render(settled))
    result = house.run(RECONCILE, DAY)
    assert result.success, checks(result)
    found = house.warehouse.rows(
        "SELECT kind, reference, expected_minor, actual_minor FROM recon_breaks ORDER BY ALL"
    )
    assert found == [
        ("missing_internal", "CB7", 0, -70),
        ("reversed_unpaired", unseen, -10_000, 0),
        ("reversed_unpaired", "att_unknown", 0, -300),
    ]
    matched = {r for (r,) in house.warehouse.rows("SELECT reference FROM recon_matches")}
    assert matched == {*paid, back, lost}
    balances = house.online.balances()
    (posted,) = (
        line for _, line in house.online.posted.items() if line["kind"] == "rail_settlement"
    )
    legs = {entry["account"]: entry["amount"] for entry in posted["entries"]}
    assert legs["rail:upi_hdfc:in_transit"] == -settled.net_minor
    assert legs["rail:upi_hdfc:receivable"] == 30_000 - 10_000 - 10_000 - 300 - 70
    # The ledger's own entries on the receivable, settled or in suspense, leave nothing.
    assert balances["rail:upi_hdfc:receivable"] == 3 * 10_000 - 2 * 10_000 - 10_000
    assert balances["suspense:upi_hdfc"] == 10_000 - 300 - 70
    assert {line["kind"] for line in house.online.breaks.values()} == {
        "missing_internal",
        "reversed_unpaired",
    }
    result = house.run(GROUPS("settlement"), DAY)
    assert result.success, checks(result)
    (batch,) = house.online.batches.values()
    assert (batch["gross"], batch["disputes"], batch["refunds"]) == (10_000, 10_000, 0)
    assert (batch["fees"], batch["tax"]) == (200 + 50_000, 36 + 9_000)
    assert batch["net"] == -59_236


def test_a_rails_list_of_disputes_is_told_to_online_once(house: House) -> None:
    header = "reference,original_reference,amount,currency,reason_code,status,respond_by"
    row = "CB1,att_a,12.50,INR,10.4,open,2026-12-06T12:00:00+05:30"
    house.receive(f"disputes_card_a_{DAY}.csv", f"{header}\n{row}\n".encode())
    house.receive(f"disputes_card_b_{DAY}.csv", f"{header}\n{row},1\n".encode())
    statuses = house.warehouse.rows("SELECT name, status FROM raw_bank_files ORDER BY name")
    assert [status for _, status in statuses] == ["loaded", "quarantined"]
    for expected in ("lines_posted", "lines_exists"):
        result = house.run(RECONCILE, DAY)
        assert result.success, checks(result)
        assert metadata(result, "disputes_sent")[expected] == 1
    assert house.online.disputes == {
        ("card_a", "CB1", "open"): {
            "rail": "card_a",
            "reference": "CB1",
            "original_reference": "att_a",
            "amount": 1_250,
            "currency": "INR",
            "reason_code": "10.4",
            "status": "open",
            "respond_by": "2026-12-06T06:30:00Z",
        }
    }


def traced_day(house: House) -> dict[str, str]:
    """A payment that is undone, one whose row has another amount, a lost dispute; all settled."""
    books = Books(house.warehouse)
    references = {name: books.capture(name, 10_000, noon(DAY)) for name in ("good", "wrong")}
    references["back"] = books.reverse("back", "good", 10_000, noon(DAY))
    books.dispute("wrong", 10_000, noon(DAY))
    lost = books.lose("wrong", 10_000, noon(DAY))
    references["payout"] = books.pay_out("p", 500, noon(DAY))
    settled = rail_file(
        [
            rail_line(references["good"], 10_000, noon(DAY)),
            rail_line(references["wrong"], 30_000, noon(DAY)),
            rail_line(references["back"], -10_000, noon(DAY), type="REVERSAL"),
            rail_line(lost, -10_000, noon(DAY), type="CHARGEBACK"),
        ],
        DAY,
    )
    house.receive(settled.file_name, switch_file.render(settled))
    payout = camt.StatementEntry("payout", -500, "UTR500", references["payout"], "PAYOUT")
    statement = bank_file(NEXT_DAY, 0, credit(settled), payout)
    house.receive(statement.file_name, camt.render(statement))
    assert house.run(RECONCILE, NEXT_DAY).success
    assert house.run(RECONCILE, DAY).success
    assert house.run(GROUPS("settlement"), DAY).success
    books.settled(DAY)
    return references


def test_each_attempt_is_linked_to_where_it_shows(house: House) -> None:
    references = traced_day(house)
    stl = ids.encode("stl", ids.derived("settlement", MERCHANT_ID, DAY.isoformat(), "INR"))
    for expected in ("lines_posted", "lines_exists"):
        result = house.run(GROUPS("traces"), DAY)
        assert result.success, checks(result)
        about = metadata(result, "trace_links_sent")
        assert about[expected] == about["lines"] == len(house.online.links)
    names = {reference: name for name, reference in references.items()}
    assert {
        (names[attempt], hop): (line["reference"], line["at"], line["amount"])
        for (attempt, hop, _), line in house.online.links.items()
        if attempt != references["wrong"]
    } == {
        ("good", "rail_line"): ("upi_hdfc_settlement_2026-11-16.csv#1", "2026-11-16", 10_000),
        ("good", "bank_line"): (house.utr(), "2026-11-17", 19_823),
        ("good", "settlement"): (stl, "2026-11-17", 9_764),
        ("back", "rail_line"): ("upi_hdfc_settlement_2026-11-16.csv#3", "2026-11-16", -10_000),
        ("back", "bank_line"): (house.utr(), "2026-11-17", 19_823),
        ("back", "settlement"): (stl, "2026-11-17", -9_764),
        ("payout", "bank_line"): ("UTR500", "2026-11-17", -500),
        ("payout", "settlement"): ("stl_p", "2026-11-16", -500),
    }
    # A row with another amount is a break, and a lost dispute goes by the rail's own reference:
    # both show with the attempt that paid.
    wrong = [key[1:] for key in house.online.links if key[0] == references["wrong"]]
    assert sorted(hop for hop, _ in wrong) == ["bank_line", "rail_line", "rail_line", "settlement"]
    hashes = {line["sha256"] for line in house.online.links.values() if line["hop"] == "rail_line"}
    assert hashes == {
        sha for (sha,) in house.warehouse.rows("SELECT DISTINCT file_sha256 FROM raw_rail_rows")
    }


def test_an_attempt_without_its_link_stops_the_links(house: House) -> None:
    traced_day(house)
    house.warehouse.execute("DELETE FROM settlement_lines WHERE kind = 'reversal'")
    result = house.run(GROUPS("traces"), DAY)
    assert not result.success
    assert checks(result)["trace_links.settled_attempts_are_traced"] is False
    assert house.online.links == {}


def test_statements_are_linked_to_every_attempt_they_show(house: House) -> None:
    references = traced_day(house)
    config = {"config": {"requests": [asked(form) for form in statements.FORMATS]}}
    assert house.run(GROUPS("statements"), statement_files=config).success
    sent = {each["statement_id"]: each["sha256"] for each in house.online.statements}
    links = list(house.online.links.values())
    assert {(link["attempt"], link["reference"]) for link in links} == {
        (attempt, statement) for attempt in references.values() for statement in sent
    }
    assert all(link["sha256"] == sent[link["reference"]] for link in links)
    amounts = {link["attempt"]: link["amount"] for link in links}
    assert amounts[references["good"]] == 9_764
    assert amounts[references["wrong"]] == 9_764 - 10_000


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


def test_books_that_moved_are_a_new_edition_and_others_are_not(house: House) -> None:
    books = Books(house.warehouse)
    books.capture("good", 10_000, noon(DAY))
    every = {"config": {"first_day": str(DAY), "last_day": str(NEXT_DAY)}}
    known = {"config": {"requests": [{**asked("pdf"), "newer_than": 1}]}}
    for _ in range(2):
        assert house.run(GROUPS("statements"), statement_files=every).success
    assert house.run(GROUPS("statements"), statement_files=known).success
    # The same edition has the same ids and bytes; whoever knows it is sent nothing.
    first = {each["statement_id"]: each["sha256"] for each in house.online.statements}
    assert (len(house.online.statements), len(first)) == (6, 3)
    books.capture("late", 700, noon(DAY, minute=3))
    assert house.run(GROUPS("statements"), statement_files=known).success
    (restated,) = house.online.statements[6:]
    assert restated["numbered"]["edition"] == 2
    assert restated["statement_id"] not in first
    assert house.warehouse.count("statement_issues") == 2
    names = {path.name[8:] for path in house.folders.statements.glob("mrc_*/*.pdf")}
    assert names == {"-00001.pdf", "-00001-R1.pdf"}


def test_a_pack_holds_every_form_and_its_proof(house: House) -> None:
    Books(house.warehouse).capture("good", 10_000, noon(DAY))
    config = {"config": {"requests": [asked("pack"), asked("csv")]}}
    assert house.run(GROUPS("statements"), statement_files=config).success
    sent = {each["format"]: each for each in house.online.statements}
    content = {form: base64.b64decode(each["content_base64"]) for form, each in sent.items()}
    with zipfile.ZipFile(io.BytesIO(content["pack"])) as archive:
        assert {"statement.pdf", "statement.csv", "statement.json", "proof.json"} <= set(
            archive.namelist()
        )
        assert archive.read("statement.csv") == content["csv"]
        told = json.loads(archive.read("statement.json"))
        assert told["content_sha256"] == sent["csv"]["numbered"]["content_sha256"]
        proof = json.loads(archive.read("proof.json"))
    assert proof["signature"] == {"key_id": "seal-1", "signature": "signed"}


def test_a_statement_that_does_not_foot_stays_here(house: House, monkeypatch: Any) -> None:
    Books(house.warehouse).capture("good", 10_000, noon(DAY))
    build = statements.build_many

    def off_by_one(*args: Any, **kwargs: Any) -> Iterator[statements.Statement]:
        for built in build(*args, **kwargs):
            yield msgspec.structs.replace(built, closing_minor=built.closing_minor + 1)

    monkeypatch.setattr(statements, "build_many", off_by_one)
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
            cards=np.array([f"i{n % 3}" for n in range(size)], object),
            amounts=rng.integers(1, 2**53, size),
            payment_ids=np.array(
                [str(ids.derived("payment", str(n))) for n in range(size)], object
            ),
        )

    split = Split(noon(DAY), noon(DAY) + timedelta(days=20), timedelta(days=7))
    dataset = Dataset(
        train=part(40),
        test=part(7),
        early_targets=(rng.random(40) < 0.2).astype(np.int8),
        split=split,
        trained_from=noon(DAY) - timedelta(days=30),
        choose_from=noon(DAY) - timedelta(days=20),
        livemode=False,
        snapshot="17",
    )
    assert training_table.store(house.warehouse, dataset) == 47
    found = training_table.load(house.warehouse)
    for name in ("split", "trained_from", "choose_from", "livemode", "snapshot"):
        assert getattr(found, name) == getattr(dataset, name), name
    assert found.digest() == dataset.digest()
    assert np.array_equal(found.early_targets, dataset.early_targets)
    for kept, stored in ((found.train, dataset.train), (found.test, dataset.test)):
        for name in kept.__struct_fields__:
            assert np.array_equal(getattr(kept, name), getattr(stored, name)), name
        assert kept.rows.dtype == np.float32
