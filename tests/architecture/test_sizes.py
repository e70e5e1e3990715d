"""Small enough to read: modules, functions and test files have a longest length.

`ALLOWED` may only shrink: an entry says how long the thing is and why, and a thing that has
become shorter than its entry fails until the entry follows.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.source import PACKAGES, ROOT, name_of, python_files

MODULE, FUNCTION, TEST_FILE = 400, 70, 800

# name or name::function -> (lines, reason)
ALLOWED: dict[str, tuple[int, str]] = {
    "warehouse/statements/verify_statement.py": (
        731,
        "one file that a merchant or an auditor runs by itself, without anything of ours",
    ),
}


def lengths() -> Iterator[tuple[str, int, int]]:
    for path in python_files(*PACKAGES, "tests"):
        is_test = name_of(path).startswith("tests/")
        yield name_of(path), len(lines(path)), TEST_FILE if is_test else MODULE
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield f"{name_of(path)}::{node.name}", node.end_lineno - node.lineno + 1, FUNCTION


def lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def test_nothing_is_too_long():
    limits = {name: allowed for name, (allowed, _) in ALLOWED.items()}
    too_long = [
        f"{name}: {length} lines, {limits.get(name, limit)} allowed"
        for name, length, limit in lengths()
        if length > limits.get(name, limit)
    ]
    assert not too_long, "\n".join(too_long)


def test_allow_list_only_shrinks():
    longest: dict[str, tuple[int, int]] = {}
    for name, length, limit in lengths():
        longest[name] = max(longest.get(name, (0, limit)), (length, limit))
    for name, (allowed, reason) in ALLOWED.items():
        length, limit = longest.get(name, (0, 0))
        assert length > limit, f"{name} fits now: remove it from ALLOWED"
        assert length == allowed, f"{name} has {length} lines now: lower its entry"
        assert len(reason) > 20, f"{name} needs a reason"


def test_there_is_something_to_measure():
    assert len(list(lengths())) > 50, f"no source found below {ROOT}"
