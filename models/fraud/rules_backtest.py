"""What rules would have done to past payments, and whether they would have been right.

Belongs here: running one set of rules, or two against each other, over history, and counting. Does
not: where history comes from (`rules_history`), or how a report is shown (`rules_report`).

Precision is of payments whose outcome is known: those that nobody has judged yet are counted beside
it, never as good. Recall is of all fraud that is known of the days. Shares have 95 % intervals by
Wilson. A payment's score is what the rules say plus, where a model judged it then, the points that
the model gave it then; reasons that a linked device gave are left out.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import asdict

from models.fraud.rules import Rule, RuleSet
from models.fraud.rules_history import Past, moment
from models.fraud.watching import Interval, wilson

Decision = Literal["allow", "challenge", "review", "block"]

DECISIONS: Final[tuple[Decision, ...]] = ("allow", "challenge", "review", "block")
_EXAMPLES: Final = 20
_HIGHEST: Final = 100


class Thresholds(Struct, frozen=True):
    """From which score on a payment is challenged, reviewed, blocked."""

    challenge: int = 40
    review: int = 60
    block: int = 75

    def __post_init__(self) -> None:
        if not 1 <= self.challenge <= self.review <= self.block <= _HIGHEST:
            raise ValueError("1 ≤ challenge ≤ review ≤ block ≤ 100 does not hold")

    def decide(self, points: int) -> Decision:
        """Of a sum that is not yet held within 0 and 100."""
        if points >= self.block:
            return "block"
        if points >= self.review:
            return "review"
        return "challenge" if points >= self.challenge else "allow"


class Tally(Struct):
    """How many payments, how much of them was money in minor units, and what they turned out."""

    fraud: int = 0
    good: int = 0
    undecided: int = 0
    fraud_minor: int = 0
    good_minor: int = 0
    undecided_minor: int = 0

    def add(self, payment: Past) -> None:
        if payment.fraud is None:
            self.undecided += 1
            self.undecided_minor += payment.amount_minor
        elif payment.fraud:
            self.fraud += 1
            self.fraud_minor += payment.amount_minor
        else:
            self.good += 1
            self.good_minor += payment.amount_minor

    @property
    def payments(self) -> int:
        return self.fraud + self.good + self.undecided


class Measures(Struct, frozen=True):
    """Of the payments that something picked out; None where there is nothing to measure by."""

    precision: Interval | None
    recall: Interval | None
    alert_rate: Interval | None
    fraud_money_caught: float | None  # share of the days' known fraud, by amount


class RuleReport(Struct, frozen=True, kw_only=True):
    """One rule. `alone`: no other live rule that raises the score was met. `turns`: payments whose
    decision would be another without it, or, of a rule in shadow, if it were live."""

    code: str
    mode: str
    score: int
    hits: Tally
    measures: Measures
    alone: Tally
    turns: Tally
    overlaps: dict[str, int]  # with each other rule, how many payments


class SetReport(Struct, frozen=True, kw_only=True):
    """A whole set. Each threshold's tally is of payments that reach it."""

    version: int
    hash: str
    decisions: dict[str, Tally]
    reaching: dict[str, Tally]
    measures: dict[str, Measures]
    rules: list[RuleReport]


class Changed(Struct, frozen=True, kw_only=True):
    """A payment on which two sets disagree, and the rules that make the difference."""

    payment_id: str
    at: str
    amount_minor: int
    currency: str
    outcome: Literal["fraud", "good", "undecided"]
    before: Decision
    after: Decision
    rules: list[str]


class Comparison(Struct, frozen=True, kw_only=True):
    """From one set to the other: `before → after` decisions, and the largest examples."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    moves: dict[str, Tally]
    examples: list[Changed]


class Report(Struct, frozen=True, kw_only=True):
    """All of it; `days` is what was asked for."""

    first_day: str
    last_day: str
    thresholds: Thresholds
    payments: Tally
    rules: SetReport
    against: SetReport | None = None
    comparison: Comparison | None = None


class _Verdict(Struct, frozen=True):
    """What a set of rules says of one payment."""

    live: list[Rule]
    decision: Decision


class _Counting:
    """One set's counters."""

    def __init__(self, rules: RuleSet, thresholds: Thresholds) -> None:
        self._rules = rules
        self._thresholds = thresholds
        self._decisions: dict[str, Tally] = {decision: Tally() for decision in DECISIONS}
        codes = [rule.code for rule in rules.rules]
        self._hits = {code: Tally() for code in codes}
        self._alone = {code: Tally() for code in codes}
        self._turns = {code: Tally() for code in codes}
        self._together: Counter[tuple[str, str]] = Counter()

    def judge(self, payment: Past) -> _Verdict:
        live, shadow = self._rules.met(payment.known), self._rules.shadow_met(payment.known)
        points = payment.model_points + sum(rule.score for rule in live)
        decision = self._thresholds.decide(points)
        self._decisions[decision].add(payment)
        raising = [rule.code for rule in live if rule.score > 0]
        for rule in (*live, *shadow):
            self._hits[rule.code].add(payment)
            if set(raising) <= {rule.code}:
                self._alone[rule.code].add(payment)
            other = points + (rule.score if rule.mode == "shadow" else -rule.score)
            if self._thresholds.decide(other) != decision:
                self._turns[rule.code].add(payment)
        met = [rule.code for rule in (*live, *shadow)]
        self._together.update((a, b) for a in met for b in met if a != b)
        return _Verdict(live, decision)

    def report(self, total: Tally) -> SetReport:
        reaching: dict[str, Tally] = {
            name: _sum(self._decisions[d] for d in DECISIONS[DECISIONS.index(name) :])
            for name in DECISIONS[1:]
        }
        return SetReport(
            version=self._rules.version,
            hash=self._rules.hash,
            decisions=self._decisions,
            reaching=reaching,
            measures={name: measures(tally, total) for name, tally in reaching.items()},
            rules=[self._of(rule, total) for rule in self._rules.rules],
        )

    def _of(self, rule: Rule, total: Tally) -> RuleReport:
        hits = self._hits[rule.code]
        return RuleReport(
            code=rule.code,
            mode=rule.mode,
            score=rule.score,
            hits=hits,
            measures=measures(hits, total),
            alone=self._alone[rule.code],
            turns=self._turns[rule.code],
            overlaps={b: n for (a, b), n in self._together.most_common() if a == rule.code},
        )


def measures(picked: Tally, total: Tally) -> Measures:
    """How right a pick was, of all payments of the days."""
    caught = picked.fraud_minor / total.fraud_minor if total.fraud_minor else None
    return Measures(
        precision=wilson(picked.fraud, picked.fraud + picked.good),
        recall=wilson(picked.fraud, total.fraud),
        alert_rate=wilson(picked.payments, total.payments),
        fraud_money_caught=caught,
    )


def backtest_rules(
    payments: Iterable[Past],
    rules: RuleSet,
    *,
    days: tuple[str, str],
    against: RuleSet | None = None,
    thresholds: Thresholds | None = None,
) -> Report:
    """One pass over `payments`; with `against`, what changes from that set to `rules`."""
    bounds = thresholds or Thresholds()
    total = Tally()
    counting = _Counting(rules, bounds)
    before = _Counting(against, bounds) if against else None
    moves: dict[str, Tally] = {}
    examples: list[Changed] = []
    for payment in payments:
        total.add(payment)
        now = counting.judge(payment)
        if before is None:
            continue
        then = before.judge(payment)
        if then.decision != now.decision:
            moves.setdefault(f"{then.decision} → {now.decision}", Tally()).add(payment)
            examples = _largest([*examples, _changed(payment, then, now)])
    return Report(
        first_day=days[0],
        last_day=days[1],
        thresholds=bounds,
        payments=total,
        rules=counting.report(total),
        against=before.report(total) if before else None,
        comparison=_comparison(against, rules, moves, examples) if against else None,
    )


def _changed(payment: Past, then: _Verdict, now: _Verdict) -> Changed:
    scores = [{(rule.code, rule.score) for rule in each.live} for each in (then, now)]
    outcome: Final[dict[bool | None, Literal["fraud", "good", "undecided"]]] = {
        True: "fraud",
        False: "good",
        None: "undecided",
    }
    return Changed(
        payment_id=payment.payment_id,
        at=moment(payment.at_us).isoformat(),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        outcome=outcome[payment.fraud],
        before=then.decision,
        after=now.decision,
        rules=sorted({code for code, _ in scores[0] ^ scores[1]}),
    )


def _largest(examples: list[Changed]) -> list[Changed]:
    """The ones with the most money in them; a handful is kept in memory."""
    if len(examples) <= 10 * _EXAMPLES:
        return examples
    return sorted(examples, key=_by_amount)[:_EXAMPLES]


def _by_amount(changed: Changed) -> tuple[int, str]:
    return -changed.amount_minor, changed.payment_id


def _comparison(
    before: RuleSet, after: RuleSet, moves: dict[str, Tally], examples: list[Changed]
) -> Comparison:
    old, new = ({rule.code: rule for rule in each.data.rules} for each in (before, after))
    return Comparison(
        added=[code for code in new if code not in old],
        removed=[code for code in old if code not in new],
        changed=[code for code in new if code in old and new[code] != old[code]],
        moves=moves,
        examples=sorted(examples, key=_by_amount)[:_EXAMPLES],
    )


def _sum(tallies: Iterable[Tally]) -> Tally:
    found: Sequence[Tally] = list(tallies)
    names = asdict(Tally())
    return Tally(**{name: sum(getattr(tally, name) for tally in found) for name in names})
