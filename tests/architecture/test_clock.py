"""The time of day comes from one place, so that a test can move it.

Measuring how long something takes (`perf_counter`, `monotonic`) is everyone's.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import PACKAGES, ROOT, name_of, python_files

THE_CLOCK = ROOT / "online" / "kernel" / "clock.py"
READS = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime"},
}


def clock_reads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Calls such as `datetime.now()`, `dt.datetime.now()`, and names imported to hide them."""
    aliases = {
        (name.asname or name.name): name.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value
            last = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if node.attr in READS.get(aliases.get(last, last), ()):
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            for name in node.names:
                if name.name in READS["time"]:
                    yield node.lineno, f"from time import {name.name}"


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=name_of)
def test_time_of_day_is_read_in_one_place(path: Path):
    if path == THE_CLOCK:
        return
    found = [f"line {line}: {call}" for line, call in clock_reads(ast.parse(path.read_bytes()))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("source", "reads"),
    [
        ("import datetime; datetime.datetime.now()", True),
        ("import datetime as dt; dt.datetime.utcnow()", True),
        ("from datetime import datetime as d; d.now(tz)", True),
        ("from datetime import date; date.today()", True),
        ("import time; time.time()", True),
        ("import time as t; t.time_ns()", True),
        ("from time import time", True),
        ("from time import perf_counter, monotonic", False),
        ("import time; time.monotonic()", False),
        ("clock.now()", False),
        ("clock.today()", False),
        ("default_factory = datetime.now", True),
    ],
)
def test_the_rule_itself(source, reads):
    assert bool(list(clock_reads(ast.parse(source)))) is reads
