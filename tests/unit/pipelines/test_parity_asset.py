"""The daily check of parity in Dagster, and by hand: what it shows, and what it stops."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb
import pytest

from assets.fraud_parity import fraud_parity
from models.__main__ import main
from models.commands import arguments
from models.fraud import parity
from tests.unit.models.decided import DAY, Log, a_month, open_lake


@pytest.fixture
def log() -> Iterator[Log]:
    with duckdb.connect() as connection:
        yield a_month(open_lake(connection))


@dg.asset(deps=[fraud_parity])
def after() -> None:
    """What must not be made of a day that does not hold."""


def night(log: Log) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [fraud_parity, after],
            partition_key=DAY.isoformat(),
            instance=instance,
            resources={"warehouse": log.lake},
            raise_on_error=False,
        )


def made(result: dg.ExecuteInProcessResult) -> set[str]:
    return {
        event.materialization.asset_key.to_user_string()
        for event in result.get_asset_materialization_events()
    }


def test_a_day_that_holds_goes_on(log: Log) -> None:
    log.write()
    result = night(log)
    (check,) = result.get_asset_check_evaluations()
    assert (check.passed, made(result)) == (True, {"fraud_parity", "after"})
    assert check.metadata["decisions_compared"].value == len(log.of_day)
    assert parity.newest(log.lake).holds


def test_one_value_that_differs_stops_the_rest_and_is_shown(log: Log) -> None:
    payment = log.of_day[4]
    features = log.record(payment)["features"]
    log.write({payment.id: {"features": features | {"merchant_count_30d": 999}}})
    result = night(log)
    (check,) = result.get_asset_check_evaluations()
    assert (result.success, check.passed) == (False, False)
    assert (check.severity, check.blocking) == (dg.AssetCheckSeverity.ERROR, True)
    assert "after" not in made(result)
    shown = check.metadata["first_values_that_differ"].value
    assert all(text in shown for text in (str(payment.id), "merchant_count_30d", "999"))
    kept = parity.newest(log.lake)
    assert (kept.mismatches, kept.first[0].payment_id) == (1, payment.id)
    log.write()
    assert night(log).success  # served right after all: the day is replaced
    assert parity.newest(log.lake).holds


def test_the_command_says_no_with_its_exit_code(
    log: Log, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arguments, "open_lake", contextmanager(lambda options: iter([log.lake])))
    command = ["parity", "--warehouse", "x", "--lake-data", "y", "--day", DAY.isoformat()]
    log.write()
    assert main(command) == 0
    log.write({log.of_day[0].id: {"vector_hash": "0" * 16}})
    assert main(command) == 1
    good, bad = map(json.loads, capsys.readouterr().out.splitlines())
    assert (good["mismatches"], bad["mismatches"]) == (0, 1)
    assert bad["first"][0]["feature"] == "vector"
