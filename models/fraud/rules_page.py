"""`docs/rules.md`: how rules are written, and every name that they may use.

`python -m models rules-names` writes it; a test fails when the page is not what the code says.
"""

from collections.abc import Mapping
from typing import Final

from models.fraud.expressions import Type
from models.fraud.features import value_names
from models.fraud.rule_names import groups, names
from models.fraud.words import describe

_HEAD: Final = """\
# Rules of fraud

Written by `python -m models rules-names`; do not edit by hand.

Rules are data: `config/rules.yaml`. Each has a reason code, a description for people, a condition
and a score. The scores of the rules that a payment meets are added to what the model and the device
say; the sum, held within 0 and 100, decides by the merchant's thresholds (`PUT
/api/v1/risk/settings`, with the defaults in `config/khata.yaml`). The same code runs in the service
and over history.

```yaml
version: 3
rules:
  - code: new_instrument_high_amount
    description: A card or UPI address not seen for 30 days pays a high amount
    when: new_instrument and amount_minor >= 20_000_00
    score: 20            # -1000 to 100; a negative one speaks for the payment
    mode: shadow         # or live, which is usual: a rule in shadow is recorded and worth nothing
    from: 2026-01-01     # its first and its last day in India; both may be left out
    until: 2026-12-31
```

A file is used whole or refused whole; a refusal names the file, the rule, the character, and the
name that was probably meant. Every decision stores the version and the hash of the rules it was
made by. The service keeps the content of each version (table `risk_rules`) and does not start with
a version that it knows with another content: changed rules need a new number.

## From an idea to a live rule

1. Write it with `mode: shadow` under a new version.
2. See what it would have done:
   `python -m models rules-backtest --rules config/rules.yaml --from 2026-01-01 --to 2026-01-31
   --warehouse … --lake-data …` (or `--transactions … --labels …` for a log in files). For each rule
   and for the whole set: how many payments, precision among those whose outcome is known (with the
   others counted beside it), recall, money caught and good money stopped, what the rule catches
   alone, and how many decisions turn on it. `--against old.yaml` shows whose decision would change.
3. Let it run in shadow for some days; its hits are in each decision (`shadow_rules`).
4. Make it live, under the next version.

## The language

A condition is a truth. It is checked once, when the file is read; what passes cannot fail later.

| | |
| --- | --- |
| numbers | `1`, `2.5`, `-3`, `20_000_00`; `+` `-` `*`, and `/` by a number other than 0 |
| texts | `'upi'`, in single quotes |
| comparing | `<` `<=` `>` `>=` for numbers, `==` `!=` for both |
| one of several | `method in ('upi', 'card')`, `weekday not in (5, 6)` |
| truths | `and`, `or`, `not`, parentheses; `and` binds tighter than `or` |

Amounts are minor units (paise). A ratio such as `amount_to_customer_mean` is 1 where there is
nothing to compare with. Windows end right before the payment, which is never in them.

## Lists

`POST /api/v1/risk/lists` puts a card, a UPI address, a device, an IP address or a customer on an
allow, block or watch list; the house's people do so for all merchants, and list merchants. An entry
holds for the very next payment and until its end. What a list is worth, rules say.
"""


def page() -> str:
    """All of it as Markdown."""
    types = names()
    features = {name: (types[name], describe(name)) for name in sorted(value_names())}
    parts = [_HEAD, "## Names\n"]
    for title, group in {**groups(), "Features": features}.items():
        parts += [f"### {title}\n", _table(group)]
    return "\n".join(parts)


def _table(group: Mapping[str, tuple[Type, str]]) -> str:
    rows = [f"| `{name}` | {kind} | {said} |" for name, (kind, said) in group.items()]
    return "\n".join(["| Name | Type | What it is |", "| --- | --- | --- |", *rows]) + "\n"
