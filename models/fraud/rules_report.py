"""A back-test of rules as text for people.

Belongs here: the tables. Does not: any number in them (`rules_backtest`).
"""

from collections.abc import Sequence

from models.fraud.rules_backtest import DECISIONS, Comparison, Report, SetReport, Tally
from models.fraud.watching import Interval


def page(report: Report) -> str:
    """All of it."""
    total = report.payments
    bounds = report.thresholds
    head = (
        f"Rules on payments of {report.first_day} to {report.last_day}"
        f" (challenge at {bounds.challenge}, review at {bounds.review}, block at {bounds.block})"
    )
    known = (
        f"{total.payments:,} payments: {total.fraud:,} known as fraud"
        f" ({_money(total.fraud_minor)}), {total.good:,} as good, {total.undecided:,} undecided"
    )
    parts = [head, known, _set(report.rules)]
    if report.against is not None and report.comparison is not None:
        parts += [_set(report.against), _comparison(report.comparison)]
    return "\n\n".join(parts) + "\n"


def _set(found: SetReport) -> str:
    stops = [
        [
            f"{name} or stricter",
            *_counts(tally),
            _share(found.measures[name].alert_rate),
            _share(found.measures[name].precision),
            _share(found.measures[name].recall),
            _money(tally.fraud_minor),
            _money(tally.good_minor),
        ]
        for name in DECISIONS[1:]
        for tally in (found.reaching[name],)
    ]
    rules = [
        [
            rule.code if rule.mode == "live" else f"{rule.code} (shadow)",
            str(rule.score),
            *_counts(rule.hits),
            _share(rule.measures.alert_rate),
            _share(rule.measures.precision),
            _share(rule.measures.recall),
            str(rule.alone.fraud),
            f"{rule.turns.fraud}/{rule.turns.good}/{rule.turns.undecided}",
            _overlap(rule.overlaps, rule.hits),
        ]
        for rule in found.rules
    ]
    counted = ("fraud", "good", "undecided", "of all", "precision", "recall")
    return "\n\n".join(
        [
            f"Version {found.version} ({found.hash})",
            _table(["decision", *counted, "fraud money", "good money"], stops),
            _table(["rule", "score", *counted, "alone", "turns f/g/u", "most often with"], rules),
        ]
    )


def _comparison(found: Comparison) -> str:
    said = [
        f"{what}: {', '.join(codes)}"
        for what, codes in (
            ("new", found.added),
            ("gone", found.removed),
            ("changed", found.changed),
        )
        if codes
    ]
    moves = [
        [move, *_counts(tally), _money(tally.fraud_minor), _money(tally.good_minor)]
        for move, tally in sorted(found.moves.items())
    ]
    examples = [
        [
            *(each.payment_id, each.at[:16], _money(each.amount_minor), each.outcome),
            *(f"{each.before} → {each.after}", ", ".join(each.rules)),
        ]
        for each in found.examples
    ]
    head = ["decision", "fraud", "good", "undecided", "fraud money", "good money"]
    return "\n\n".join(
        [
            f"Against the version before ({'; '.join(said) or 'the same rules'})",
            _table(head, moves) if moves else "No decision changes.",
            *(
                [_table(["payment", "at", "amount", "outcome", "decision", "by"], examples)]
                if examples
                else []
            ),
        ]
    )


def _overlap(overlaps: dict[str, int], hits: Tally) -> str:
    """The rule that is met with it most often, and in what share of its hits."""
    if not overlaps:
        return ""
    code = max(overlaps, key=lambda name: (overlaps[name], name))
    return f"{code} {100 * overlaps[code] / hits.payments:.0f} %"


def _counts(tally: Tally) -> list[str]:
    return [f"{tally.fraud:,}", f"{tally.good:,}", f"{tally.undecided:,}"]


def _share(found: Interval | None) -> str:
    if found is None:
        return "–"
    value, low, high = (100 * each for each in (found.value, found.low, found.high))
    return f"{value:.2f} % ({low:.2f}–{high:.2f})"


def _money(minor: int) -> str:
    return f"{minor / 100:,.0f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns wide enough, the first one to the left."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if column in {0, len(head) - 1} else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
