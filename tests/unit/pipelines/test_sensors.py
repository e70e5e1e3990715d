"""What starts a job: a file in the inbox, a request over the API, the clock."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg

from assets.ports import Folders
from pipelines import schedules
from pipelines.sensors import WORK_ID, bank_files_arrived, report_work, runs_of, work_requested
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse


class FakeOnline:
    def __init__(self, items=()):
        self.items = list(items)
        self.sent = []

    def send(self, path, body):
        self.sent.append((path, body))
        return {"items": self.items}


STATEMENT = {
    "statement_id": "stm_1",
    "merchant_id": "mrc_1",
    "start_date": "2026-11-16",
    "end_date": "2026-11-18",
    "format": "pdf",
}


def test_an_empty_inbox_starts_nothing(tmp_path):
    with dg.build_sensor_context() as context:
        found = list(bank_files_arrived(context, folders=Folders(tmp_path, tmp_path / "b")))
    assert [type(each) for each in found] == [dg.SkipReason]


def test_a_finished_file_starts_one_run_however_often_it_is_seen(tmp_path):
    folders = Folders(tmp_path, tmp_path / "b")
    folders.inbox.mkdir()
    (folders.inbox / ".half.tmp").write_text("…")
    (folders.inbox / "a.csv").write_text("x")
    with dg.build_sensor_context() as context:
        first = list(bank_files_arrived(context, folders=folders))
        again = list(bank_files_arrived(context, folders=folders))
    assert len(first) == 1
    assert first[0].run_key == again[0].run_key
    assert "half" not in first[0].run_key


def test_requests_become_one_run_a_day_and_one_for_all_statements():
    items = [
        {"id": "wrk_1", "kind": "settlement", "params": {"date": "2026-11-16"}},
        {"id": "wrk_2", "kind": "statement", "params": STATEMENT},
        {"id": "wrk_3", "kind": "settlement", "params": {"date": "2026-11-16"}},
        {"id": "wrk_4", "kind": "statement", "params": {**STATEMENT, "format": "csv"}},
    ]
    settle, statements = runs_of(items)
    assert (settle.job_name, settle.partition_key) == ("settle_job", "2026-11-16")
    assert settle.tags[WORK_ID] == "wrk_1,wrk_3"
    assert statements.job_name == "statements_job"
    config = statements.run_config["ops"]["statement_files"]["config"]
    assert [each["format"] for each in config["requests"]] == ["pdf", "csv"]


def test_the_sensor_claims_and_says_when_there_is_nothing():
    with dg.build_sensor_context() as context:
        found = list(work_requested(context, online=FakeOnline()))
    assert [type(each) for each in found] == [dg.SkipReason]


def test_each_piece_of_work_is_reported():
    online = FakeOnline()
    report_work(online, "wrk_1,wrk_3", state="failed", run_id="r")
    report_work(online, "", state="done", run_id="r")
    assert online.sent == [
        ("work/wrk_1/done", {"state": "failed", "run_id": "r"}),
        ("work/wrk_3/done", {"state": "failed", "run_id": "r"}),
    ]


def test_the_night_looks_at_what_files_may_explain_newer_days_first(tmp_path):
    at = datetime(2026, 11, 17, 1, 30, tzinfo=UTC)
    config = LakeConfig(catalog=str(tmp_path / "lake.ducklake"), data_path=str(tmp_path / "lake"))
    with Warehouse(config) as lake:
        schema.ensure(lake)
        # A file of two days a month back came yesterday, one of another day a week ago.
        for first, last, received in (
            (date(2026, 10, 14), date(2026, 10, 15), at - timedelta(days=1)),
            (date(2026, 10, 1), date(2026, 10, 1), at - timedelta(days=7)),
        ):
            lake.execute(
                "INSERT INTO raw_file_parts (day_from, day_to, received_at)"
                " VALUES ($first, $last, $received)",
                first=first,
                last=last,
                received=received,
            )
        lake.execute(
            "INSERT INTO recon_breaks (business_date, kind) VALUES ($day, 'timing')",
            day=date(2026, 11, 14),
        )
        with dg.build_schedule_context(
            scheduled_execution_time=at, resources={"warehouse": lake}
        ) as context:
            keys = [request.partition_key for request in schedules.close_the_day(context)]
    assert keys == ["2026-11-16", "2026-11-14", "2026-10-15", "2026-10-14"]


def test_statements_are_of_the_month_that_ended():
    at = datetime(2026, 3, 1, 7, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=at) as context:
        request = schedules.statements_of_last_month(context)
    assert request.run_config["ops"]["statement_files"]["config"] == {
        "first_day": "2026-02-01",
        "last_day": "2026-02-28",
    }
