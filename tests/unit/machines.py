"""What holds for every transition table, whatever the aggregate."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

Table = Mapping[tuple[Any, Any], Any]
Rows = Mapping[str, Mapping[str, str]]


def as_rows(transitions: Table) -> dict[str, dict[str, str]]:
    """A table as `{status: {event type: next status}}`; `nothing` is where an aggregate begins."""
    rows: dict[str, dict[str, str]] = {}
    for (status, event), to in transitions.items():
        rows.setdefault(str(status or "nothing"), {})[event.TYPE.partition(".")[2]] = str(to)
    return rows


def reachable(transitions: Table) -> set[Any]:
    found: set[Any] = set()
    edge = {None}
    while edge:
        edge = {to for (status, _), to in transitions.items() if status in edge} - found
        found |= edge
    return found


def without_exit(transitions: Table, statuses: type[StrEnum]) -> set[Any]:
    """Statuses that nothing leads out of; a move that keeps the status leads nowhere."""
    return set(statuses) - {status for (status, _), to in transitions.items() if to != status}


def leads_to(transitions: Table, status: Any, targets: set[Any]) -> bool:
    """Whether one of `targets` can be reached from `status`."""
    found, edge = set(), {status}
    while edge:
        if edge & targets:
            return True
        found |= edge
        edge = {to for (from_, _), to in transitions.items() if from_ in edge} - found
    return False
