"""The magic values as a page, from the tables that decide (`docs/sandbox.md`).

`python -m online.sandbox magic --write docs/sandbox.md`; a test fails when the page is not theirs.
"""

from typing import Final

from online.kernel.money import format_minor
from online.sandbox import fraud_engine, magic
from online.sandbox.magic import Behaviour, Outcome
from online.sandbox.rails import CURRENCY

_HEAD: Final = """\
# The sandbox: values that make the banks do something

Written by `python -m online.sandbox magic --write docs/sandbox.md`; do not edit by hand.

Any other VPA and any other card with a valid check digit approves. The rails that run inside the
service (`sandbox.rails_in_process`) know the same values; they have no pages and no files.
"""
_TAIL: Final = """\
## What the payer does

- UPI, without a VPA: the payment waits. `POST /payer/approve` or `/payer/decline` with
  `{"reference": "att_…"}` acts for the payer; `funding` says what they pay from: `bank`, `ppi`,
  `rupay_credit`, `credit_line`.
- A challenged card: `next_action.link` is a page, `GET /3ds/{reference}`, with two buttons. It
  sends the payer on to `return_url`. `POST /payer/…` works too.
- Whoever does not act in time is declined (UPI `U69`, card `3DS-T`).

## Disputes

`POST /admin/disputes {"original_reference", "amount"?, "reason_code"?}` opens one for a captured
payment, `POST /admin/disputes/{reference}/won` or `/lost` ends it. The service is told each time
and asks for the rest. A lost one is a `CHARGEBACK` row in that day's file.
"""
_ENGINE: Final = """\
## The fraud engine

`make mock-fraud-engine` runs a scorer of another company on port 8091; a merchant has it asked by
`PUT /api/v1/risk/settings` with `"scorer": "mock_engine"`. It scores 0 to 29, the same for the same
instrument. Its habits are flags: `ARGS="--latency-ms 500"`, `--failure-rate 0.2`, `--score 80`,
`--seed 7`. These amounts make it do something remarkable:
"""


def page() -> str:
    """All of it as Markdown."""
    amounts = [
        row for amount, rule in sorted(magic.AMOUNTS.items()) for row in _amount_rows(amount, rule)
    ]
    parts = [
        _HEAD,
        "## VPAs\n",
        _table(("VPA", "Outcome", "When"), [(vpa, *_told(o)) for vpa, o in magic.VPAS.items()]),
        "## Cards\n",
        _table(("Card", "Outcome", "When"), [(pan, *_told(o)) for pan, o in magic.CARDS.items()]),
        "## Amounts\n",
        _table(("Amount", "Operations", "Outcome", "When"), amounts),
        _TAIL,
        _ENGINE,
        _table(
            ("Amount", "What it does"),
            [(_shown(amount), rule.told) for amount, rule in fraud_engine.AMOUNTS.items()],
        ),
    ]
    return "\n".join(parts)


def _amount_rows(amount_minor: int, rule: magic.MagicAmount) -> list[tuple[str, ...]]:
    shown = _shown(amount_minor)
    operations = ", ".join(sorted(rule.operations))
    if rule.upi == rule.other:
        return [(shown, operations, *_told(rule.upi))]
    return [
        (shown, f"{operations} by UPI", *_told(rule.upi)),
        (shown, f"{operations} otherwise", *_told(rule.other)),
    ]


def _shown(amount_minor: int) -> str:
    return f"{format_minor(amount_minor, CURRENCY)} ({amount_minor})"


def _told(outcome: Outcome) -> tuple[str, str]:
    said = f"{outcome.status} `{outcome.code}`"
    extra = []
    if outcome.funding != "bank":
        extra.append(f"funding `{outcome.funding}`")
    if outcome.avs != "U":
        extra.append(f"AVS `{outcome.avs}`")
    if outcome.code == "N7":
        extra.append("CVC `N`")
    if outcome.authentication != "none":
        extra.append(f"authentication `{outcome.authentication}`")
    if outcome.dispute is not None:
        extra.append(f"disputed (`{outcome.dispute}`) soon after capture")
    if outcome.behaviour is Behaviour.LOST:
        said = "none"
    return "; ".join([said, *extra]), outcome.behaviour.value


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
