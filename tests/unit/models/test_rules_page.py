"""`docs/rules.md` says what the code says, and every name in it can be used."""

import re
from pathlib import Path

from models.__main__ import main
from models.fraud.expressions import compile_expression
from models.fraud.rule_names import names
from models.fraud.rules_page import page

PAGE = Path(__file__).parents[3] / "docs" / "rules.md"
AS_TRUTH = {"truth": "{}", "number": "{} > 0", "text": "{} == ''"}


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "run python -m models rules-names"
    assert main(["rules-names", "--check"]) == 0


def test_every_name_of_the_page_can_be_used_and_every_name_is_on_it():
    listed = dict(
        re.findall(r"^\| `([a-z0-9_]+)` \| (number|text|truth) \| \S", page(), re.MULTILINE)
    )
    assert listed == dict(names())
    for name, kind in listed.items():
        compile_expression(AS_TRUTH[kind].format(name), names())
