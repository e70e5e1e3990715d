"""UPI's rules and keys, from their files."""

from pathlib import Path

from online.platform.settings import ROOT
from online.upi.keys import load_link_keys
from online.upi.service import Upi
from online.upi.terms import load_upi_terms


def build_upi(keys: Path) -> Upi:
    return Upi(load_upi_terms(ROOT / "config" / "upi.yaml"), load_link_keys(keys))
