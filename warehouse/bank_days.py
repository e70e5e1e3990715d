"""The bank days that offline counts in, from `config/holidays.yaml`."""

from functools import cache
from pathlib import Path
from typing import Final

import yaml

from online.kernel.bank_days import BankDays

HOLIDAYS: Final = Path(__file__).parent.parent / "config" / "holidays.yaml"


@cache
def load_bank_days(path: Path = HOLIDAYS) -> BankDays:
    """Read once a process."""
    return BankDays.of(yaml.safe_load(path.read_text(encoding="utf-8"))["holidays"])
