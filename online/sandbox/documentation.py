"""What the banks can be made to do, as a page, from the tables that decide (`docs/sandbox.md`).

Belongs here: the tables, and the prose of `guide.md` around them. Does not: anything decided here.
`python -m online.sandbox magic --write docs/sandbox.md`; a test fails when the page is not theirs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from online.kernel.money import format_minor
from online.sandbox import faults, fraud_engine, magic, payees
from online.sandbox.behaviour import BEHAVIOURS, OPERATIONS, Operation, Outcome, When
from online.sandbox.rails import CURRENCY, RAILS, Method

_GUIDE: Final = Path(__file__).with_name("guide.md")


def page() -> str:
    """All of it as Markdown: the guide, with a table in the place of each `{{name}}`."""
    text = _GUIDE.read_text(encoding="utf-8")
    for name, table in _tables().items():
        assert f"{{{{{name}}}}}" in text, name
        text = text.replace(f"{{{{{name}}}}}\n", table)
    return text


def _tables() -> dict[str, str]:
    named = {f"{name}@khata" for name in BEHAVIOURS}
    numbered = {magic.behaviour_card(name) for name in BEHAVIOURS}
    vpas = [(vpa, *_told(o)) for vpa, o in magic.VPAS.items() if vpa not in named]
    cards = [(pan, *_told(o)) for pan, o in magic.CARDS.items() if pan not in numbered]
    amounts = [
        row for amount, rule in sorted(magic.AMOUNTS.items()) for row in _amount_rows(amount, rule)
    ]
    return {
        "rails": _table(
            ("Rail", "Operations"),
            [(f"`{rail.name}`", ", ".join(_offered(rail.method))) for rail in RAILS.values()],
        ),
        "behaviours": _table(
            ("Behaviour", "What happens", "Card", "Pays with", "Capture … payout with"),
            [_behaviour_row(name) for name in BEHAVIOURS],
        ),
        "words": _table(
            ("Behaviour", "First answer: UPI, card, payout", "In the end", "When"),
            [_words_row(name) for name in BEHAVIOURS],
        ),
        "vpas": _table(("VPA", "Outcome", "When"), vpas),
        "payees": _table(("VPA or account", "What paying it comes to", "When"), _payee_rows(named)),
        "cards": _table(("Card", "Outcome", "When"), cards),
        "amounts": _table(("Amount", "Operations", "Outcome", "When"), amounts),
        "file_faults": _table(
            ("Fault", "What happens", "Breaks"),
            [(f"`{n}`", faults.TOLD[n], ", ".join(faults.KINDS[n])) for n in faults.KINDS],
        ),
        "fraud_engine": _table(
            ("Amount", "What it does"),
            [(_shown(amount), rule.told) for amount, rule in fraud_engine.AMOUNTS.items()],
        ),
    }


def _payee_rows(named: set[str]) -> list[tuple[str, ...]]:
    rows = []
    for address, outcome in payees.PAYEES.items():
        if address not in named:
            said, when = _told(outcome)
            rows.append((address, said, "and returned the day after" if outcome.returned else when))
    belongs = f"belongs to {payees.STRANGER}"
    return [*rows, *((address, belongs, "") for address in sorted(payees.STRANGERS))]


def _offered(method: Method) -> list[Operation]:
    """What a kind of rail does; mandates are UPI's alone."""
    if method == "payout":
        return ["payout"]
    return [
        name
        for name in OPERATIONS
        if name != "payout" and (method == "upi" or not name.startswith("mandate"))
    ]


def _behaviour_row(name: str) -> tuple[str, ...]:
    pays, afterwards = (
        format_minor(magic.behaviour_amount(name, operation), CURRENCY)
        for operation in ("authorize", "refund")
    )
    return (f"`{name}`", BEHAVIOURS[name].told, magic.behaviour_card(name), pays, afterwards)


def _words_row(name: str) -> tuple[str, ...]:
    rule = BEHAVIOURS[name]
    outcomes = (rule.upi, rule.card, rule.payout)
    first = _alike([_first(outcome) for outcome in outcomes])
    last = _alike([_last(outcome) for outcome in outcomes])
    return (f"`{name}`", first, last, rule.upi.when.value)


def _alike(words: list[str]) -> str:
    return words[0] if len(set(words)) == 1 else ", ".join(words)


def _first(outcome: Outcome) -> str:
    if outcome.when in (When.LOST, When.UNSEEN, When.HELD):
        return "none"
    if outcome.when is When.LATER:
        return f"{outcome.meanwhile.status} `{outcome.meanwhile.code}`"
    if outcome.when in (When.RESET, When.GARBLED):
        return "unreadable"
    return _last(outcome)


def _last(outcome: Outcome) -> str:
    return "nothing" if outcome.when is When.LOST else f"{outcome.status} `{outcome.code}`"


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
    return "; ".join([said, *extra]), outcome.when.value


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
