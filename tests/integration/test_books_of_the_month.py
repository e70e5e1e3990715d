"""A month from the first payment to its tax invoice: service, lake and Dagster together."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec
import pytest

from assets import books
from assets.ports import Folders
from online.kernel import ids
from online.kernel.clock import business_date, write_offset
from online.kernel.months import Month
from tests.contract.live import Live, live_on
from tests.databases import as_role, fresh_database
from tests.gateways import settings_for
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.ingest import PostgresSource, ingest
from warehouse.months import closed, trial_balance_hash

ADMIN = "admin-token-of-this-test"


class OnlineApi:
    """The pipeline's way in, over the running service."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._client = live.new_service_client()

    def send_lines(self, path: str, lines: Sequence[object]) -> list[dict[str, Any]]:
        body = b"\n".join(msgspec.json.encode(line) for line in lines)
        text = self._post(path, body, "application/x-ndjson")
        return [json.loads(line) for line in text.splitlines()]

    def send(self, path: str, body: object) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self._post(path, msgspec.json.encode(body), "application/json")
        )
        return found

    def _post(self, path: str, body: bytes, kind: str) -> str:
        answer = self._live.request(
            "POST",
            f"/internal/v1/{path}",
            content=body,
            headers={
                "Authorization": f"Bearer {self._live.token(self._client)}",
                "Content-Type": kind,
            },
        )
        assert answer.status_code == 200, answer.text
        return answer.text


class World:
    """A merchant that takes cards, a service, a lake beside it."""

    def __init__(self, live: Live, warehouse: Warehouse, source: PostgresSource) -> None:
        self.live = live
        self.warehouse = warehouse
        self.source = source
        self.api = OnlineApi(live)
        self.month = Month.of(business_date(live.services.clock.now()))
        made = self.post(
            "/merchants",
            {
                "name": "Filter Coffee", "mcc": "5812", "state_code": "27",
                "legal_name": "Filter Coffee Private Limited", "gstin": "27AABCC1234D1ZB",
                "requires_signature": False, "mdr_on_refund": "returned",
            },
            ADMIN,
        )  # fmt: skip
        self.merchant_id = made["merchant"]["id"]
        secrets = made["secrets"]
        token = self.post(
            "/auth/token",
            {
                "client_id": secrets["client_id"], "client_secret": secrets["client_secret"],
                "grant_type": "client_credentials",
            },
        )  # fmt: skip
        self.secrets = secrets
        self.token = token["access_token"]
        card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035}
        self.card = self.post("/cards/tokens", card, self.token)["id"]

    def post(self, path: str, body: dict[str, Any], token: str = "", key: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if key:
            headers["Idempotency-Key"] = key
        answer = self.live.request("POST", f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def pay(self, key: str, amount: int) -> str:
        method = {"type": "card", "card": {"token": self.card}}
        body = {"amount": amount, "payment_method": method}
        return str(self.post("/payments", body, self.token, key)["id"])

    def close(self) -> Any:
        clock = self.live.services.clock
        write_offset(
            self.live.services.settings.data_dir / "clock.json", clock.now() + timedelta(days=32)
        )
        return self.post(f"/periods/{self.month}/close", {}, ADMIN)

    def ingest(self) -> None:
        ingest(self.warehouse, self.source, at=self.live.services.clock.now())

    def run(self, folder: Path) -> dg.ExecuteInProcessResult:
        with dg.DagsterInstance.ephemeral() as instance:
            return dg.materialize(
                [*books.ASSETS, books.invoices_equal_the_ledger],
                partition_key=str(self.month.first),
                raise_on_error=False,
                instance=instance,
                resources={
                    "warehouse": self.warehouse,
                    "online": self.api,
                    "folders": Folders(folder, folder / "none"),
                },
            )


@pytest.fixture
def world(postgres, template, tmp_path: Path) -> Iterator[World]:
    with fresh_database(postgres, template) as owner:
        place = settings_for(
            as_role(postgres, owner, "khata_app"),
            tmp_path / "data",
            KHATA_SECURITY__ADMIN_TOKEN=ADMIN,
        )
        config = LakeConfig(catalog=str(tmp_path / "c.ducklake"), data_path=str(tmp_path / "lake"))
        source = PostgresSource(as_role(postgres, owner, "khata_reader"))
        with live_on(place) as live, Warehouse(config) as warehouse:
            schema.ensure(warehouse)
            yield World(live, warehouse, source)


def test_a_month_is_closed_exported_and_invoiced(world: World, tmp_path: Path) -> None:
    paid = world.pay("one", 5_000_00)
    world.pay("two", 1_500_00)  # no GST on its fee: up to ₹2,000
    world.post("/refunds", {"payment": paid, "amount": 1_000_00}, world.token, "back")

    world.ingest()
    assert closed(world.warehouse, world.month) is None
    early = world.run(tmp_path)
    assert not early.success  # the invoices; the journal is there as a draft
    draft = tmp_path / "journals" / f"{world.month}-draft.csv"
    assert draft.exists()

    period = world.close()
    world.ingest()
    found = closed(world.warehouse, world.month)
    assert found is not None
    assert found.sha256 == period["sha256"] == trial_balance_hash(world.warehouse, world.month)

    first = world.run(tmp_path)
    assert first.success
    passed = {c.check_name: c.passed for c in first.get_asset_check_evaluations()}
    assert passed["invoices_equal_the_ledger"]

    # 1.8 % of ₹5,000 and of ₹1,500, less a fifth of the first with its GST.
    ((number, value, exempt, igst, total),) = world.warehouse.rows(
        "SELECT number, value_minor, exempt_minor, igst_minor, total_minor FROM invoices"
    )
    assert (value, exempt, igst) == (90_00 + 27_00 - 18_00, 27_00, 16_20 - 3_24)
    assert total == value + igst
    year = world.month.financial_year
    assert number == f"TSI/{year}/000001"
    made = {path: path.read_bytes() for path in (tmp_path / "invoices").rglob("*.*")}
    assert {path.name for path in made} == {
        f"TSI-{year}-000001.pdf", f"TSI-{year}-000001.json"
    }  # fmt: skip
    journal = (tmp_path / "journals" / f"{world.month}.csv").read_bytes()

    again = world.run(tmp_path)
    assert again.success
    assert {path: path.read_bytes() for path in made} == made
    assert (tmp_path / "journals" / f"{world.month}.csv").read_bytes() == journal
    assert world.warehouse.count("invoices") == 1
    _fetch(world, made)


def _fetch(world: World, made: dict[Path, bytes]) -> None:
    """The merchant gets the same bytes."""
    asked = {
        "client_id": world.secrets["client_id"],
        "client_secret": world.secrets["client_secret"],
        "grant_type": "client_credentials",
    }
    headers = {"Authorization": f"Bearer {world.post('/auth/token', asked)['access_token']}"}
    listed = world.live.request("GET", "/api/v1/invoices", headers=headers).json()["data"]
    (invoice,) = listed
    assert (invoice["files"], invoice["merchant_id"]) == (["json", "pdf"], world.merchant_id)
    for path, content in made.items():
        answer = world.live.request(
            "GET",
            f"/api/v1/invoices/{invoice['id']}/file",
            params={"format": path.suffix[1:]},
            headers=headers,
        )
        assert answer.content == content


def test_a_lake_that_differs_from_the_close_is_found(world: World) -> None:
    world.pay("one", 5_000_00)
    world.close()
    world.ingest()
    world.warehouse.execute(
        "UPDATE raw_entries SET amount_minor = amount_minor + 1 WHERE id = (SELECT min(id) FROM"
        " raw_entries WHERE amount_minor > 0)"
    )
    found = closed(world.warehouse, world.month)
    assert found is not None
    assert trial_balance_hash(world.warehouse, world.month) != found.sha256


def test_an_invoice_that_does_not_equal_the_ledger_stops_its_files(
    world: World, tmp_path: Path
) -> None:
    world.pay("one", 5_000_00)
    world.close()
    world.ingest()
    assert world.run(tmp_path).success
    # A fee of the month that no merchant's transaction explains.
    world.warehouse.execute(
        "INSERT INTO raw_entries (id, transaction_id, account_id, amount_minor, currency, layer,"
        " business_date, livemode) SELECT uuid(), uuid(), account_id, 100, 'INR', 'posted',"
        " business_date, a.livemode FROM raw_entries AS e JOIN raw_accounts AS a"
        " ON e.account_id = a.id WHERE a.code = 'fees:mdr' LIMIT 1"
    )
    done = world.run(tmp_path)
    passed = {c.check_name: c.passed for c in done.get_asset_check_evaluations()}
    assert not passed["invoices_equal_the_ledger"]
    made = {
        event.materialization.asset_key.to_user_string()
        for event in done.get_asset_materialization_events()
    }
    assert "invoice_files" not in made


def test_the_ids_of_documents_are_ours() -> None:
    assert ids.decode("inv", ids.encode("inv", ids.derived("x"))) == ids.derived("x")
