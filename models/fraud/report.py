"""A training in words: names and notes that people read in MLflow.

Belongs here: text. Does not: any number that was not measured (`training`, `promotion`).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from models.fraud.dataset import Dataset
from models.fraud.promotion import Candidate, Decision
from models.fraud.training import Algorithm, Trained, Tried, best
from models.fraud.watching import Interval
from models.fraud.words import describe

_ALGORITHMS: Final[dict[Algorithm, str]] = {
    "logistic_regression": "logistic regression",
    "hist_gradient_boosting": "gradient boosting",
    "random_forest": "random forest",
}
_MEASURES: Final = {
    "ap": "Average precision (area under precision and recall)",
    "cp100": "Of the day's 100 riskiest cards, the share with fraud",
    "auc": "AUC: a fraud is scored above a good payment",
    "brier": "Brier score (smaller is better)",
    "calibration_error": "Mean distance of score and observed fraud rate",
}
_SHOWN_INPUTS: Final = 8


def run_name(trained: Trained, dataset: Dataset) -> str:
    """random forest 2026-11-16."""
    return f"{_ALGORITHMS[trained.params.algorithm]} {_day(dataset.split.test_until)}"


def candidate_name(tried: Tried) -> str:
    return f"candidate: {_ALGORITHMS[tried.params.algorithm]}"


def in_words(ranked: Iterable[tuple[str, float]]) -> list[tuple[str, float]]:
    """Inputs by what they are, not by their names."""
    return [(describe(name), number) for name, number in ranked]


def run_note(
    trained: Trained, dataset: Dataset, candidate: Candidate, ranked: Sequence[tuple[str, float]]
) -> str:
    """The run's description: what was done with which payments, and what came of it."""
    paragraphs = [
        _opening(trained, candidate),
        _days(dataset),
        "**On the test days**",
        _table(
            ("measure", "value", "95 % interval"),
            ((_MEASURES[name], *_cells(trained.measures[name])) for name in _MEASURES),
        ),
        _against(candidate),
        "**By week**",
        _table(
            ("ISO week", "payments", "frauds", "average precision", "95 % interval"),
            (
                (week.week, f"{week.rows:,}", week.frauds, *_cells(week.measures.get("ap")))
                for week in trained.weeks
            ),
        ),
        "**What it looks at most** (loss of average precision when the input is shuffled)",
        _table(("input", "loss"), ((t, f"{n:.4f}") for t, n in in_words(ranked[:_SHOWN_INPUTS]))),
        _made(trained, dataset, candidate),
    ]
    return "\n\n".join(paragraphs)


def candidate_note(tried: Tried, dataset: Dataset) -> str:
    early, late = dataset.early, dataset.late
    return (
        f"Learned from {len(early.targets):,} payments before {_day(dataset.choose_from)} with"
        f" {int(early.targets.sum())} frauds known then; compared on {len(late.targets):,} later"
        f" ones with {int(late.targets.sum())} frauds. Metrics named `late_…` are of those late"
        f" training days, before calibration. Average precision"
        f" {_said(tried.measures['ap'])}, card precision {_said(tried.measures['cp100'])}."
    )


def version_note(trained: Trained, dataset: Dataset, candidate: Candidate) -> str:
    """One line for the registry."""
    return (
        f"{_ALGORITHMS[trained.params.algorithm].capitalize()}, learned from"
        f" {len(dataset.train.targets):,} payments of {_day(dataset.trained_from)} to"
        f" {_last(dataset.split.train_until - dataset.split.label_delay)}. On the test days:"
        f" average precision {_said(trained.measures['ap'])}, AUC"
        f" {candidate.evaluation.auc:.3f}."
    )


def decision_note(decision: Decision) -> str:
    """The gates as a table."""
    verdict = "promoted" if decision.promote else "**refused**"
    rows = (("yes" if gate.passed else "**NO**", gate.name, gate.says) for gate in decision.gates)
    champion = f"version {decision.champion}" if decision.champion else "none"
    return f"Version {decision.candidate} is {verdict}; champion before: {champion}.\n\n" + _table(
        ("holds", "gate", "evidence"), rows
    )


def _opening(trained: Trained, candidate: Candidate) -> str:
    return (
        f"Version {candidate.version} of the fraud model:"
        f" {_ALGORITHMS[trained.params.algorithm]}, {_choice(trained)}"
    )


def _made(trained: Trained, dataset: Dataset, candidate: Candidate) -> str:
    found, weight = trained.calibration, trained.params.class_weight
    weighed = "no more than" if weight == "none" else "in total as much as"
    return (
        f"Scores are probabilities: sigmoid({found.slope:.3f} · log-odds {found.intercept:+.3f}),"
        f" fitted on {found.rows:,} late training payments with {found.frauds} frauds. While"
        f" fitting, frauds weighed {weighed} good payments.\n\nData: snapshot"
        f" {dataset.snapshot or 'unknown'} of the warehouse. `python -m models retrain --run"
        f" {candidate.run_id}` makes the same model from it."
    )


def _choice(trained: Trained) -> str:
    chosen = best(trained.tried)
    others = ", ".join(
        f"{_ALGORITHMS[found.params.algorithm]} {found.measures['ap'].value:.4f}"
        for found in trained.tried
        if found is not chosen
    )
    if not others:
        return "the only candidate."
    return (
        f"chosen on the late training days by average precision"
        f" {chosen.measures['ap'].value:.4f} (the others: {others})."
    )


def _days(dataset: Dataset) -> str:
    split, train, test = dataset.split, dataset.train, dataset.test
    return (
        f"Learned from {len(train.targets):,} payments of {_day(dataset.trained_from)} to"
        f" {_last(split.train_until - split.label_delay)} with {int(train.targets.sum())} frauds"
        f" known by {_last(split.train_until)}, tested on {len(test.targets):,} of"
        f" {_day(split.train_until)} to {_last(split.test_until - split.label_delay)} with"
        f" {int(test.targets.sum())} frauds."
    )


def _against(candidate: Candidate) -> str:
    found = candidate.against
    if found is None:
        return "There was no champion to compare it with."
    return (
        f"Against the champion (version {found.champion}) on the same payments: average precision"
        f" {found.ap.value:+.4f} (95 % {found.ap.low:+.4f} to {found.ap.high:+.4f}), card"
        f" precision {found.cp100.value:+.4f} (95 % {found.cp100.low:+.4f} to"
        f" {found.cp100.high:+.4f})."
    )


def _cells(found: Interval | None) -> tuple[str, str]:
    if found is None:
        return "–", "no fraud, or nothing else"
    return f"{found.value:.4f}", f"{found.low:.4f} to {found.high:.4f}"


def _said(found: Interval) -> str:
    return f"{found.value:.3f} (95 % {found.low:.3f} to {found.high:.3f})"


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _last(until: datetime) -> str:
    """The last day before an end that is itself outside."""
    return _day(until - timedelta(microseconds=1))
