"""Reads `config/devices.yaml`."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

from online.devices.rules import DeviceRules


def load_device_rules(path: Path) -> DeviceRules:
    """A mistake in the file is an error that names the field."""
    raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    return msgspec.convert(raw, DeviceRules)
