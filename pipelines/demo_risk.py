"""The demo's risk: a champion that decides, a challenger in shadow, and what was made of the day.

Belongs here: training, waiting until the service scores with it, and watching. Does not: traffic
(`demo_traffic`), or the order of events (`demo`).
"""

import time
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import httpx
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from models.fraud.watching import MOVED, wilson
from pipelines.demo_steps import Steps
from pipelines.processes import CommandFailed
from pipelines.runs import Runner, metadata_of
from warehouse.connection import Lake

_JUDGED_FROM: Final = 20_000  # payments of history that hold enough frauds to judge a model
_LOADED_S: Final = 30
# A simpler model than the trees that usually win: what a data scientist would hold against them.
_CHALLENGER: Final = "logistic_regression"


class Models(msgspec.Struct, frozen=True, kw_only=True):
    """What was trained, as the report shows it."""

    version: str
    auc: float
    ap: float
    algorithm: str
    gates: str
    challenger: str


class Risk(msgspec.Struct, frozen=True, kw_only=True):
    """The day's decisions, whether they can be replayed, and what became of them."""

    decisions: dict[str, int]
    counted: dict[str, int]  # what the service itself told Prometheus, by decision
    replayed: int
    replayed_otherwise: int
    challenger: dict[str, int]
    labels_known: int
    alerts_known: int
    alerts_fraud: int
    score_psi: float | None
    score_verdict: str
    inputs_moved: list[str]


def train(runner: Runner, steps: Steps, *, history: int) -> Models:
    """A champion by the whole pipeline; then another model, which scores in shadow."""
    result = runner.run("train_job", config=_training(steps, history))
    fitted, judged = metadata_of(result, "fraud_model"), metadata_of(result, "fraud_promotion")
    if not judged["promoted"]:
        raise CommandFailed(f"the model was refused:\n{judged['gates']}")
    steps.say(f"version {fitted['version']}, {fitted['algorithm']}: passed every gate, champion")
    other = {"ops": {"fraud_model": {"config": {"algorithm": _CHALLENGER}}}}
    shadow = metadata_of(runner.run("train_job", config=other, only=["fraud_model"]), "fraud_model")
    steps.say(f"version {shadow['version']}, {_CHALLENGER}: challenger, scores and decides nothing")
    return Models(
        version=fitted["version"],
        auc=fitted["auc"],
        ap=fitted["ap"],
        algorithm=fitted["algorithm"],
        gates=judged["gates"],
        challenger=shadow["version"],
    )


def _training(steps: Steps, history: int) -> dict[str, Any]:
    """The usual training; with a history too short to judge by, a rehearsal of it."""
    if history >= _JUDGED_FROM:
        return {}
    steps.say(f"fewer than {_JUDGED_FROM:,} payments: a rehearsal, gates of form only")
    test = {"fraud_training_set": {"config": {"test_days": 25}}}
    return {"ops": {**test, "fraud_promotion": {"config": {"rehearsal": True}}}}


def wait_until_used(metrics_url: str, models: Models, *, workers: int = 2) -> None:
    """Until every worker of the service scores with both models, as it tells Prometheus."""
    wanted = {("champion", models.version): workers, ("challenger", models.challenger): workers}
    end = time.monotonic() + _LOADED_S
    while True:
        found = {
            (labels["role"], labels["version"]): int(value)
            for labels, value in _samples(metrics_url, "risk_model_info")
            if value
        }
        if found == wanted:
            return
        if time.monotonic() > end:
            raise CommandFailed(f"the service scores with {found}, not with {wanted}")
        time.sleep(0.1)


def detections(metrics_url: str) -> dict[str, int]:
    """What the service has told Prometheus of payments that were not simply allowed."""
    found: dict[str, int] = {}
    for labels, value in _samples(metrics_url, "fraud_detections_total"):
        found[labels["decision"]] = found.get(labels["decision"], 0) + int(value)
    return found


def found(lake: Lake, day: date, counted: Mapping[str, int]) -> Risk:
    """What the watch of the day left in the warehouse."""
    decisions = lake.rows(
        "SELECT decision, count(*) FROM fraud_decisions WHERE business_date = $day"
        " GROUP BY 1 ORDER BY 1",
        day=day,
    )
    challenger = lake.rows(
        "SELECT challenger_decision, count(*) FROM fraud_decisions WHERE business_date = $day"
        " AND challenger_decision IS NOT NULL GROUP BY 1 ORDER BY 1",
        day=day,
    )
    ((compared, mismatches),) = lake.rows(
        "SELECT coalesce(sum(compared), 0)::BIGINT, coalesce(sum(mismatches), 0)::BIGINT"
        " FROM fraud_parity WHERE day = $day",
        day=day,
    )
    ((alerts_known, alerts_fraud, known),) = lake.rows(
        "SELECT sum(alerts_known)::BIGINT, sum(alerts_fraud)::BIGINT,"
        " sum(alerts_known + passed_known)::BIGINT"
        " FROM fraud_watch WHERE business_date = $day AND role = 'champion'",
        day=day,
    )
    drift = lake.rows(
        "SELECT input, week_psi, verdict FROM fraud_drift WHERE business_date = $day"
        " AND role = 'champion' ORDER BY week_psi DESC NULLS LAST, input",
        day=day,
    )
    score = next(((psi, said) for name, psi, said in drift if name == "score"), (None, "too few"))
    return Risk(
        decisions=dict(decisions),
        counted=dict(counted),
        replayed=compared,
        replayed_otherwise=mismatches,
        challenger=dict(challenger),
        labels_known=known or 0,
        alerts_known=alerts_known or 0,
        alerts_fraud=alerts_fraud or 0,
        score_psi=score[0],
        score_verdict=score[1],
        inputs_moved=[
            name for name, psi, _ in drift if name != "score" and psi is not None and psi >= MOVED
        ],
    )


def lines(models: Models, risk: Risk) -> list[str]:
    """What a person reads of it."""
    precision = wilson(risk.alerts_fraud, risk.alerts_known)
    judged = (
        f"{risk.alerts_fraud} of {risk.alerts_known} alerts with a label were fraud"
        f" ({precision.low:.0%} to {precision.high:.0%})"
        if precision
        else "no alert has a label yet"
    )
    index = "too few payments for a number" if risk.score_psi is None else f"{risk.score_psi:.3f}"
    moved = f"; moved most: {', '.join(risk.inputs_moved[:3])}" if risk.inputs_moved else ""
    scores = f"AUC {models.auc:.3f}, average precision {models.ap:.3f}"
    replayed = f"{risk.replayed} decisions replayed from the log"
    return [
        f"Model        version {models.version}, {models.algorithm}: {scores}",
        f"Challenger   version {models.challenger}, {_CHALLENGER}: {_counts(risk.challenger)}",
        f"Risk         {_counts(risk.decisions)}; {judged}",
        f"Parity       {replayed}, {risk.replayed_otherwise} with other features",
        f"Drift        stability index of the score {index} ({risk.score_verdict}){moved}",
    ]


def _counts(found: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in found.items()) or "none"


def _samples(url: str, name: str) -> list[tuple[dict[str, str], float]]:
    answer = httpx.get(url, timeout=10)
    answer.raise_for_status()
    return [
        (sample.labels, sample.value)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name
    ]
