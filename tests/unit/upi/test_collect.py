"""Where a collect request may still be sent, with the date on both sides of each change."""

from datetime import date

import pytest

from online.platform.settings import ROOT
from online.upi.terms import Collect, CollectNotAllowed, load_upi_terms

TERMS = load_upi_terms(ROOT / "config" / "upi.yaml")
NOW = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("kind", "on", "mcc", "platform", "allowed"),
    [
        ("p2p", date(2025, 9, 30), None, None, True),
        ("p2p", date(2025, 10, 1), None, None, False),
        ("p2p", NOW, "6211", "ios", False),
        ("p2m", date(2026, 2, 27), "5411", "android", True),
        ("p2m", date(2026, 2, 28), "5411", "android", False),
        ("p2m", date(2026, 2, 28), "5411", None, False),
        ("p2m", NOW, "6012", "android", True),
        ("p2m", NOW, "6211", None, True),
        ("p2m", NOW, "6300", "android", False),
        ("p2m", NOW, "5411", "ios", True),
        ("p2m", NOW, "5411", "ios_web", True),
        ("p2m", NOW, "5411", "web", False),
        ("p2m", NOW, "5411", "desktop", False),
        ("mandate", NOW, "5411", "android", True),
    ],
)
def test_the_rules(kind: str, on: date, mcc: str | None, platform: str | None, allowed: bool):
    asked = Collect(kind=kind, on=on, mcc=mcc, platform=platform)
    if allowed:
        assert TERMS.check_collect(asked).source
        return
    with pytest.raises(CollectNotAllowed) as refused:
        TERMS.check_collect(asked)
    assert refused.value.param == "payment_method.upi.flow"


def test_every_row_says_where_it_comes_from():
    assert all(len(rule.source) > 20 for rule in TERMS.collect)


def test_the_secure_modes_are_signed():
    signed = {code for code, mode in TERMS.modes.items() if mode.signed}
    assert signed == {"02", "05", "13", "16", "17", "20", "23"}
