"""What reconciliation may assume, read from YAML."""

from functools import cache
from pathlib import Path

import msgspec
import yaml

_RULES = Path(__file__).parent / "reconciliation.yaml"


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days after its own day a row may appear elsewhere and still be in time."""

    rail_days: int = 1
    bank_days: int = 1


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`reconciliation.yaml`, or the file given to `python -m warehouse reconcile --config`."""

    lookback_days: int = 45
    windows: dict[str, Window] = {}
    statuses: dict[str, list[str]] = {}

    def window(self, rail: str | None) -> Window:
        """The window of a rail."""
        default = self.windows.get("default", Window())
        return default if rail is None else self.windows.get(rail, default)

    def status(self, word: str | None) -> str:
        """One word for all the words that mean the same."""
        stated = (word or "success").strip().lower()
        return next((ours for ours, theirs in self.statuses.items() if stated in theirs), stated)


@cache
def load_rules(path: Path = _RULES) -> Rules:
    """The rules of a YAML file."""
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, Rules)
