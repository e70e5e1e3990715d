"""What Dagster knows: every asset explains itself, and whatever holds money is checked."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets import groups
from assets.freshness import POLICIES
from expectations.run import SUITES
from pipelines.definitions import build
from pipelines.jobs import JOBS, late_files_job
from pipelines.schedules import SCHEDULES
from pipelines.sensors import SENSORS
from tests.architecture.source import ROOT
from warehouse import schema

GROUPS = {
    value for name, value in vars(groups).items() if name.isupper() and isinstance(value, str)
}
OWNERS = {"team:finance", "team:data-science", "team:platform"}
# Tell somebody, and hold nothing up.
ALERTS = {"no_file_is_late", "suspense_is_the_open_breaks", "fraud_model_drift"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> dg.RepositoryDefinition:
    return build(str(tmp_path_factory.mktemp("data"))).get_repository_def()


@pytest.fixture(scope="module")
def graph(repository):
    return repository.asset_graph


def test_every_asset_has_a_group_an_owner_and_a_description(graph):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.group_name in GROUPS, key
        assert node.owners, key
        assert set(node.owners) <= OWNERS, key
        assert len(node.description or "") > 40, f"{key} does not say what it is"


def test_every_table_of_the_lake_that_an_asset_makes_is_named_like_it(graph):
    made = {key.to_user_string() for key in graph.get_all_asset_keys()}
    only_inside = {"ingest_watermark", "statement_issues", "recon_break_log", "posting_log"}
    only_inside.add("raw_load_turn")
    assert set(schema.tables()) - only_inside <= made


def test_every_table_that_holds_money_has_a_blocking_check(graph):
    blocking = {
        key.asset_key.to_user_string()
        for key in graph.asset_check_keys
        if graph.get_check_spec(key).blocking
    }
    money = {table.name for table in schema.tables().values() if "_minor" in table.create}
    made = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert money & made <= blocking
    assert "statement_files" in blocking


def test_every_check_blocks_and_says_what_must_hold(graph):
    for key in graph.asset_check_keys:
        spec = graph.get_check_spec(key)
        assert spec.blocking != (key.name in ALERTS), key
        assert len(spec.description or "") > 20, key


def test_each_suite_is_a_check_of_its_table(graph):
    found = {
        key.asset_key.to_user_string() for key in graph.asset_check_keys if key.name == "columns"
    }
    assert found == set(SUITES)


def test_each_job_selects_assets_and_all_their_checks(repository, graph):
    for job in JOBS:
        layer = repository.get_job(job.name).asset_layer
        selected = layer.selected_asset_keys
        if job is late_files_job:  # looks at what is there
            assert not selected
            continue
        assert selected, job.name
        checks = {key for key in graph.asset_check_keys if key.asset_key in selected}
        assert layer.asset_graph.asset_check_keys == checks, job.name


def test_every_deadline_is_an_asset_s(graph):
    for name in POLICIES:
        assert graph.get(dg.AssetKey(name)).freshness_policy == POLICIES[name]


def test_every_asset_is_in_a_job(repository, graph):
    selected = set()
    for job in JOBS:
        selected |= repository.get_job(job.name).asset_layer.selected_asset_keys
    assert selected == set(graph.get_all_asset_keys())


def test_schedules_and_sensors_start_jobs_that_there_are_and_are_off_at_first():
    names = {job.name for job in JOBS}
    for schedule in SCHEDULES:
        assert schedule.job_name in names
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
        assert schedule.execution_timezone == "Asia/Kolkata"
    for sensor in SENSORS:
        assert {target.job_name for target in sensor.targets} <= names


def test_a_day_depends_on_days_that_explain_it(graph):
    parent = dg.AssetKey("stg_rail_rows")
    mapping = graph.get_partition_mapping(dg.AssetKey("recon_breaks"), parent)
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert (mapping.start_offset, mapping.end_offset) == (0, 2)


@pytest.mark.slow
def test_the_workspace_is_valid(tmp_path: Path):
    script = Path(sys.executable).with_name("dagster")
    done = subprocess.run(
        [str(script), "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env={**os.environ, "DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
