"""What stood open when: business days as they ended, with what was known at an instant."""

import json
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from online.kernel.clock import SystemClock
from tests.unit.warehouse.books import DAY, NEXT_DAY, noon
from tests.unit.warehouse.test_days import LAST_DAY, THIRD_DAY, Week
from warehouse.__main__ import main
from warehouse.breaks.standing import Standing, standing
from warehouse.connection import Warehouse, WarehouseError
from warehouse.reconciliation.days import break_changes, conservation_gap, reconcile_day

WEEK = (DAY, NEXT_DAY, THIRD_DAY)


def _instant() -> datetime:
    """Now, and not the instant of any snapshot."""
    time.sleep(0.02)
    now = SystemClock().now()
    time.sleep(0.02)
    return now


def _nights(warehouse: Warehouse, week: Week) -> list[datetime]:
    """Three nights; an instant after each."""
    instants = []
    nights: tuple[Callable[[], None], ...] = (
        week.first_night,
        week.second_night,
        week.third_night,
    )
    for night, as_of in zip(nights, (NEXT_DAY, THIRD_DAY, LAST_DAY), strict=True):
        night()
        for day in WEEK:
            reconcile_day(warehouse, day, as_of=as_of)
        instants.append(_instant())
    return instants


def _open(found: Standing) -> dict[str, str]:
    return dict(found.breaks.select("reference", "kind").iter_rows())


def test_a_past_day_is_told_as_it_was_and_as_it_was_known(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    week = Week(warehouse, tmp_path)
    first, second, third = _nights(warehouse, week)
    names = week.references
    of_the_first = {
        names["missing"]: "missing_external",
        names["late"]: "missing_external",
        names["wrong"]: "amount_mismatch",
        names["twice"]: "duplicate_external",
        "att_unknown": "missing_internal",
    }
    # The late row is dated two days on: it does not change what was open on the day, ever.
    for known_at in (first, second, third, None):
        assert _open(standing(warehouse, DAY, known_at=known_at)) == of_the_first
    assert _open(standing(warehouse, NEXT_DAY, known_at=first)) == of_the_first
    with_stray = of_the_first | {"UTR55000": "unexpected_credit"}
    assert _open(standing(warehouse, NEXT_DAY, known_at=second)) == with_stray
    assert _open(standing(warehouse, THIRD_DAY, known_at=second)) == with_stray
    now = with_stray | {names["late"]: "timing"}
    assert _open(standing(warehouse, THIRD_DAY)) == now


def test_ages_are_of_the_day_that_is_asked_about(warehouse: Warehouse, tmp_path: Path) -> None:
    week = Week(warehouse, tmp_path)
    _nights(warehouse, week)
    for later, bucket in ((0, "0-1"), (2, "2-3"), (6, "4-7"), (20, "8-30"), (60, "31-90")):
        found = standing(warehouse, DAY + timedelta(days=later))
        of_day = found.breaks.filter(found.breaks["business_date"] == DAY)
        assert set(of_day["age_days"]) == {later}
        assert set(of_day["age_bucket"]) == {bucket}
        assert week.references["missing"] in set(of_day["reference"])


def test_the_money_of_the_day_is_matched_broken_or_open(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    week = Week(warehouse, tmp_path)
    week.first_night()
    reconcile_day(warehouse, DAY, as_of=NEXT_DAY)
    position = standing(warehouse, DAY).position
    ledger = position.filter((position["side"] == "rail") & (position["input"] == "ledger"))
    (row,) = ledger.iter_rows(named=True)
    # Five captures of 10,000, a refund of 2,500, and 3,000 of the evening, due in the next file.
    assert row["input_minor"] == 50_500
    assert (row["matched_minor"], row["broken_minor"], row["open_minor"]) == (7_500, 40_000, 3_000)
    later = standing(warehouse, NEXT_DAY + timedelta(days=9)).position
    assert later.height == 0 or set(later["business_date"]) == {NEXT_DAY + timedelta(days=9)}
    assert conservation_gap(warehouse) == 0


def test_what_people_decided_no_longer_stands_open(warehouse: Warehouse, tmp_path: Path) -> None:
    week = Week(warehouse, tmp_path)
    _nights(warehouse, week)
    missing = next(
        found
        for found in break_changes(warehouse, DAY)
        if found.reference == week.references["missing"]
    )
    moves = (("assigned", '{"owner": "asha", "by": "x"}'), ("resolved", "{}"))
    for number, (move, data) in enumerate(moves):
        warehouse.execute(
            "INSERT INTO raw_events (id, aggregate_id, aggregate_type, event_type, version,"
            ' "timestamp", data, metadata, livemode, xid)'
            " VALUES (uuid(), $id, 'break', $move, $version, $at, $data, '{}', false, 1)",
            id=missing.break_id,
            move=f"break.{move}",
            version=number + 2,
            at=noon(THIRD_DAY + timedelta(days=number)),
            data=data,
        )
    worked = standing(warehouse, THIRD_DAY).breaks
    row = worked.row(by_predicate=pl.col("reference") == missing.reference, named=True)
    assert (row["state"], row["owner"]) == ("assigned", "asha")
    assert missing.reference not in _open(standing(warehouse, LAST_DAY))
    assert missing.reference in _open(standing(warehouse, NEXT_DAY))


def test_breaks_too_old_for_the_engine_are_carried_by_the_log(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    week = Week(warehouse, tmp_path)
    _nights(warehouse, week)
    found = standing(warehouse, DAY + timedelta(days=100)).breaks
    assert week.references["missing"] in set(found["reference"])
    assert set(found["age_bucket"]) == {">90"}


def test_before_the_lake_there_was_nothing_to_know(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="no snapshot"):
        standing(warehouse, DAY, known_at=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_the_door(
    warehouse: Warehouse, tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    week = Week(warehouse, tmp_path)
    _nights(warehouse, week)
    warehouse.close()
    lake = ["--catalog", str(tmp_path / "catalog.ducklake"), "--data-path", str(tmp_path / "lake")]
    day = date.isoformat(DAY)
    assert main(["breaks", "--as-of", day, "--format", form, *lake]) == 0
    printed = capsys.readouterr().out
    assert week.references["missing"] in printed
    if form == "json":
        told = json.loads(printed)
        assert (told["as_of"], len(told["breaks"])) == (day, 5)
        assert {row["side"] for row in told["position"]} == {"rail", "bank"}
    if form == "csv":
        assert len(printed.splitlines()) == 6
    assert main(["breaks", "--as-of", day, "--known-at", "2020-01-01T10:00+05:30", *lake]) == 2
    assert "no snapshot" in capsys.readouterr().err
