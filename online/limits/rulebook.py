"""Reads `config/limits.yaml`."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from online.limits.domain import LimitTable, Rules, UserLimits


def load_limits(path: Path, per_user: UserLimits) -> Rules:
    """A mistake in the file is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Rules(msgspec.convert(raw, LimitTable), per_user)
