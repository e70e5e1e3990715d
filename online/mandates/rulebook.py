"""Reads `config/mandates.yaml`."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from online.mandates.rules import MandateRules


def load_mandate_rules(path: Path) -> MandateRules:
    """A mistake in the file is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw, MandateRules)
