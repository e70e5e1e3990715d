"""Reads `config/delegations.yaml`."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from online.delegations.rules import DelegationRule


def load_rules(path: Path) -> tuple[DelegationRule, ...]:
    """A mistake in the file is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw["delegations"], tuple[DelegationRule, ...])
