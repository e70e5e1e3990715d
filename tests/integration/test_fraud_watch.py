"""The nightly steps of watching, as Dagster runs them, and the model that they ask for."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets import fraud_watch
from assets.ports import Folders
from models.fraud.bundle import Manifest, Parity, Reference, read_manifest
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.tracking import Tracking
from models.fraud.watching import binned
from pipelines.sensors import drifts, model_drifted
from tests.unit.models.risk_days import RiskDays, features_of
from tests.unit.warehouse.books import DAY, NEXT_DAY, noon
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.fraud_watch import decide_day

ROWS = 10_000
EVEN = Reference(
    rows=ROWS,
    score=binned([(place % 50) / 100 for place in range(ROWS)]),
    inputs={"customer_count_24h": binned([place % 20 for place in range(ROWS)])},
)


class Nights:
    """A lake, the published bundle's manifest, and Dagster runs over them."""

    def __init__(self, folder: Path, lake: Warehouse, instance: dg.DagsterInstance) -> None:
        self.lake = lake
        self.days = RiskDays(lake)
        self.folders = Folders(folder, folder / "models" / "fraud.bundle")
        self._tracking = Tracking(uri=f"sqlite:///{folder}/mlflow.db", artifacts=folder / "files")
        self._instance = instance

    def traffic(self, day: date, *, count: int = 400, power: float = 1.0, **more: Any) -> None:
        """Scores as in training, or pressed towards 1."""
        for place in range(count):
            known = features_of(customer_count_24h=place % 20)
            probability = ((place % 50) / 100) ** power
            self.days.pay(day, probability=probability, features=known, **more)
        self.days.write()

    def night(self, day: date) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [*fraud_watch.ASSETS, *fraud_watch.CHECKS],
            partition_key=day.isoformat(),
            instance=self._instance,
            resources={
                "warehouse": self.lake,
                "folders": self.folders,
                "tracking": self._tracking,
            },
            raise_on_error=False,
        )


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nights]:
    config = LakeConfig(catalog=str(tmp_path / "l.ducklake"), data_path=str(tmp_path / "lake"))
    manifest = Manifest(
        version="1",
        created_at=noon(DAY).isoformat(),
        feature_set=feature_set_hash(),
        features=feature_names(),
        model_sha256="",
        explainer_sha256="",
        run_id="",
        trained_from="",
        trained_to="",
        metrics={},
        parity=Parity(1, 0.0),
        probes=[],
        reference=EVEN,
    )

    def published(path: Path) -> Manifest:
        return manifest if path.name == "fraud.bundle" else read_manifest(path)

    monkeypatch.setattr("models.fraud.references.read_manifest", published)
    with Warehouse(config) as lake, dg.DagsterInstance.ephemeral() as instance:
        schema.ensure(lake)
        yield Nights(tmp_path, lake, instance)


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (found,) = (
        event.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.materialization.asset_key == dg.AssetKey(asset)
    )
    return {name: value.value for name, value in found.items()}


def drift_check(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    (found,) = (
        check
        for check in result.get_asset_check_evaluations()
        if check.check_name == "fraud_model_drift"
    )
    return found


def asked(nights: Nights) -> list[str | None]:
    """The keys of the runs that the sensor asks for."""
    with dg.build_sensor_context() as context:
        found = list(model_drifted(context, warehouse=nights.lake))
    return [each.run_key for each in found if isinstance(each, dg.RunRequest)]


def test_a_steady_model_is_shown_and_nothing_is_asked_for(nights):
    nights.traffic(DAY)
    result = nights.night(DAY)
    assert result.success
    assert drift_check(result).passed
    assert asked(nights) == []
    shown = metadata(result, "fraud_watch")
    assert "| test | champion | 1 | 400 | " in shown["rates"]
    assert "data:image/png;base64," in shown["decided"]
    assert "score" in metadata(result, "fraud_drift")["moved_most"]
    text = nights.folders.metrics.read_text()
    assert 'khata_model_decisions{model_version="1",role="champion",mode="test"} 400.0' in text


def test_a_score_that_drifts_is_an_error_and_asks_for_a_model_once(nights):
    nights.traffic(DAY, power=0.3)
    result = nights.night(DAY)
    found = drift_check(result)
    assert result.success  # it tells somebody and holds nothing up
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    first = asked(nights)
    assert first == [f"the score of 1 drifts since {DAY}"]
    nights.traffic(NEXT_DAY, power=0.3)
    nights.night(NEXT_DAY)
    assert asked(nights) == first


def test_an_input_that_moved_alone_is_a_warning(nights):
    for place in range(400):
        known = features_of(customer_count_24h=30)
        nights.days.pay(DAY, probability=(place % 50) / 100, features=known)
    nights.days.write()
    found = drift_check(nights.night(DAY))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "customer_count_24h" in str(found.metadata["moved"].value)
    assert asked(nights) == []


def test_precision_that_falls_is_an_error_and_asks_for_a_model(nights):
    days = [DAY - timedelta(days=back) for back in range(14, -1, -1)]
    for day in days:
        fraud = 16 if day < days[-7] else 4
        for alert in range(20):
            payment = nights.days.pay(day, rules=70, probability=0.1)
            nights.days.event(payment, 3, "payment.captured", noon(day, 30), {"amount": 10_000})
            nights.days.label(payment, fraud=alert < fraud, at=noon(day, 60))
    nights.days.write()
    for day in days:
        decide_day(nights.lake, day)
    nights.lake.replace_all("fraud_watch", "fraud_watch", days=days)
    assert list(drifts(nights.lake)) == ["the precision of 1 (test) has fallen"]
    found = drift_check(nights.night(days[-1]))
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "| 1 (test) | 20.0% |" in str(found.metadata["precision_fell"].value)


def test_factors_that_do_not_add_up_stop_what_follows(nights):
    nights.traffic(DAY, count=3)
    nights.days.pay(NEXT_DAY, score=7)
    nights.days.write()
    assert nights.night(DAY).success
    result = nights.night(NEXT_DAY)
    assert not result.success
    made = {
        e.materialization.asset_key.to_user_string()
        for e in result.get_asset_materialization_events()
    }
    assert made == {"fraud_decisions"}


def test_a_model_without_a_reference_is_named(nights):
    nights.traffic(DAY, count=5, model="of somebody")
    shown = metadata(nights.night(DAY), "fraud_drift")
    assert shown["without_reference"] == "of somebody"


def test_a_day_without_decisions_is_no_fault(nights):
    result = nights.night(DAY)
    assert result.success
    assert drift_check(result).passed
