"""The demo's judgement: exact means none missed, none invented, none counted twice."""

from datetime import date

import pytest

from pipelines.demo import DemoFailed, demo_day, wipe
from pipelines.demo_report import Finding

A, B = ("timing", "att_1"), ("missing_external", "att_2")


def finding(injected, found, rows=None, *, explained=(), closed=()):
    return Finding(
        injected=frozenset(injected),
        found=frozenset(found),
        found_rows=len(found) if rows is None else rows,
        explained=frozenset(explained),
        closed=frozenset(closed),
    )


@pytest.mark.parametrize(
    ("injected", "found", "rows", "exact"),
    [
        ([A, B], [A, B], 2, True),
        ([A, B], [A], 1, False),
        ([A], [A, B], 2, False),
        ([A], [A], 2, False),
        ([A], [("missing_external", "att_1")], 1, False),
    ],
)
def test_exact(injected, found, rows, exact):
    assert finding(injected, found, rows).exact is exact


@pytest.mark.parametrize(
    ("found", "closed", "exact"),
    [([], [B], True), ([], [A, B], True), ([], [], False), ([B], [], False), ([B], [B], False)],
)
def test_what_a_correction_explains_was_a_break_and_is_none_any_more(found, closed, exact):
    judged = finding([], found, explained=[B], closed=closed)
    assert judged.exact is exact
    assert judged.explained_by_kind() == {
        "missing_external": {"injected": 1, "found": int(B in closed)}
    }


def test_kinds_are_counted_on_both_sides():
    assert finding([A], [A, B]).by_kind() == {
        "missing_external": {"injected": 0, "found": 1},
        "timing": {"injected": 1, "found": 1},
    }


@pytest.mark.parametrize(
    ("today", "day"),
    [
        (date(2026, 11, 23), date(2026, 11, 16)),  # a Monday
        (date(2026, 11, 25), date(2026, 11, 16)),
        (date(2026, 11, 19), date(2026, 11, 16)),  # its third day after is today
        (date(2026, 11, 29), date(2026, 11, 16)),  # the next week has a holiday
        (date(2026, 12, 3), date(2026, 11, 30)),
    ],
)
def test_the_day_is_the_last_monday_whose_week_has_begun(today, day):
    assert demo_day(today) == day


def test_only_a_demo_folder_is_emptied(tmp_path):
    folder = tmp_path / "demo"
    wipe(folder)
    (folder / "old").write_text("x")
    wipe(folder)
    assert not (folder / "old").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("x")
    with pytest.raises(DemoFailed, match="name another"):
        wipe(tmp_path / "mine")
    assert (tmp_path / "mine" / "letter").exists()
