"""Watching the model in use: its decisions, what became of them, and whether it still fits.

Belongs here: the daily steps, what they show, and the check that warns. Does not: the arithmetic
(`models.fraud.watching`), the tables (`warehouse.fraud_watch`), or asking for a new model
(`pipelines.sensors`).
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

import dagster as dg

from assets import charts, display
from assets.checks import day_for, nothing_wrong
from assets.groups import DATA_SCIENCE, FRAUD_WATCH
from assets.partitions import DAILY, day_of
from assets.ports import Folders
from models.fraud import drift, gauges, references
from models.fraud.tracking import Tracking
from models.fraud.watching import (
    DRIFTED,
    MOVED,
    Alerts,
    Fall,
    Interval,
    precision_fall,
    wilson,
)
from warehouse.connection import Lake, Warehouse
from warehouse.fraud_watch import decide_day, watch_day

_SHARES: Final = ("allowed", "challenged", "reviewed", "blocked")
_WORST: Final = 15


@dg.asset(
    deps=["raw_events"],
    partitions_def=DAILY,
    group_name=FRAUD_WATCH,
    owners=DATA_SCIENCE,
    kinds={"duckdb", "sql"},
)
def fraud_decisions(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """Every decision of risk about the day's payments as it was stored with them: score, factors,
    model, rules, features, and what the challenger would have said."""
    day = day_of(context)
    decide_day(warehouse, day)
    shown = ("created_at", "amount_minor", "currency", "method", "score", "decision")
    about = display.of_table(
        warehouse,
        "fraud_decisions",
        day=day,
        columns=(*shown, "model_version", "challenger_decision", "failure"),
        order_by="score DESC, created_at",
    )
    counted = warehouse.rows(
        "SELECT decision, count(*) FROM fraud_decisions WHERE business_date = $day GROUP BY 1",
        day=day,
    )
    return dg.MaterializeResult(
        metadata={**about, "decisions": charts.bars("Decisions of the day", counted, money=False)}
    )


@dg.asset(
    deps=["fraud_decisions", "raw_events"],
    partitions_def=DAILY,
    group_name=FRAUD_WATCH,
    owners=DATA_SCIENCE,
    kinds={"duckdb", "sql"},
)
def fraud_watch(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.MaterializeResult:
    """How the model in use decided: alert and approval rates, decisions without it, and precision
    and recall by the labels known so far. Earlier days are counted again when their labels come."""
    day = day_of(context)
    days = watch_day(warehouse, day)
    rows = warehouse.frame(
        "FROM fraud_watch WHERE business_date = $day ORDER BY livemode, role, model_version",
        day=day,
    ).rows(named=True)
    of = ("mode", "role", "model")
    rates = ("decisions", "allowed", "captured", "alerts", "by rules")
    known = ("alerts with a label", "precision", "95 %", "recall", "95 %", "without a label")
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "business_day": day.isoformat(),
            "rates": display.table((*of, *rates), [_rates(row) for row in rows]),
            "labels": display.table((*of, *known), [_labels(row) for row in rows]),
            "decided": charts.stacked(
                "What was decided, by model",
                {_name(row): {share: row[share] for share in _SHARES} for row in rows},
                money=False,
            ),
            "days_counted": ", ".join(map(str, days)),
            "by_rules_is": "no model was in use: rules decided alone",
            "captured_is": "what the payments became, whatever this model would have decided",
            "an_alert_is": "a payment that was blocked or sent to review",
            "precision_is": "of the alerts with a label, the share that was fraud",
            "recall_is": "of the payments known to be fraud, the share that was alerted",
            **_plotted(rows),
        }
    )


@dg.asset(
    deps=["fraud_decisions"],
    partitions_def=DAILY,
    group_name=FRAUD_WATCH,
    owners=DATA_SCIENCE,
    kinds={"duckdb", "python"},
)
def fraud_drift(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    folders: dg.ResourceParam[Folders],
    tracking: dg.ResourceParam[Tracking],
) -> dg.MaterializeResult:
    """Whether payments still look as they did in training: the population stability index of the
    score and of each input, for the day and for the week that ends with it."""
    day = day_of(context)
    found = references.of_day(warehouse, day, folders.champion_bundle, tracking)
    counted = drift.count_day(warehouse, day, found.known)
    rows = warehouse.transaction(lambda lake: drift.store_day(lake, day, counted))
    worst = sorted(rows, key=lambda row: -(row["week_psi"] or 0.0))[:_WORST]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": len(rows),
            "business_day": day.isoformat(),
            "models": ", ".join(sorted(found.known)) or "none has a reference to compare with",
            "without_reference": ", ".join(sorted(found.unknown)) or "none",
            "moved_most": _inputs(worst),
            "picture": _picture(worst),
            **_score_psi(rows),
            "bands": f"below {MOVED} steady, from {DRIFTED} drifted; a week with too few rows to "
            "tell a shift from chance has no number",
        }
    )


@dg.asset(
    deps=["fraud_watch", "fraud_drift"],
    partitions_def=DAILY,
    group_name=FRAUD_WATCH,
    owners=DATA_SCIENCE,
    kinds={"prometheus"},
)
def fraud_gauges(
    warehouse: dg.ResourceParam[Warehouse], folders: dg.ResourceParam[Folders]
) -> dg.MaterializeResult:
    """The newest watched day as a file that Prometheus' node exporter collects, so that drift and
    precision stand beside the service's own metrics and alert in the same way."""
    text = gauges.written(warehouse)
    gauges.replace(folders.metrics, text)
    return dg.MaterializeResult(
        metadata={
            "file": dg.MetadataValue.path(str(folders.metrics)),
            "content": dg.MetadataValue.md(f"```\n{text}```"),
        }
    )


@dg.asset_check(
    asset="fraud_decisions",
    blocking=True,
    description="The factors of each decision add up to its score, and the score led to it.",
)
def decisions_explain_themselves(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    day = day_for(context, warehouse, "fraud_decisions")
    return nothing_wrong(warehouse, "fraud_decisions_off", day=day)


@dg.asset_check(
    asset="fraud_drift",
    additional_deps=["fraud_watch"],
    description=f"The champion's score is distributed as in training (PSI below {MOVED}; from "
    f"{DRIFTED} an error) and its precision has not fallen below its interval of the weeks before. "
    "An input that moved is a warning: it explains, the score decides.",
)
def fraud_model_drift(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    day = day_for(context, warehouse, "fraud_drift")
    moved = warehouse.frame(
        "FROM fraud_drift WHERE business_date = $day AND role = 'champion'"
        " AND verdict IN ('moved', 'drifted') ORDER BY week_psi DESC",
        day=day,
    ).rows(named=True)
    scores = warehouse.frame(
        "FROM fraud_drift WHERE business_date = $day AND role = 'champion' AND input = $score",
        day=day,
        score=drift.SCORE,
    ).rows(named=True)
    falls = {name: fall for name, fall in precision_falls(warehouse, day).items() if fall.fell}
    drifted = any(row["verdict"] == "drifted" for row in scores)
    severity = dg.AssetCheckSeverity.ERROR if drifted or falls else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        passed=not moved and not falls,
        severity=severity,
        metadata={
            "business_day": str(day),
            "score": _inputs(scores),
            "moved": _inputs(moved),
            **_score_psi(scores),
            "precision_fell": display.table(
                ("model", "now", "at most", "before", "at least"),
                [(name, *_fallen(fall)) for name, fall in falls.items()],
            ),
            "what_to_do": "Nothing by hand: the sensor model_drifted asks for a new model once, "
            "and the gates decide whether it is used. Until then this one decides.",
        },
    )


def precision_falls(lake: Lake, day: date | None) -> Mapping[str, Fall]:
    """Each champion of the day with its precision now and before, where both are known."""
    rows = lake.rows(
        "SELECT livemode, model_version, alerts_paid, alerts_paid_known, alerts_known, alerts_fraud"
        " FROM fraud_watch WHERE role = 'champion' AND business_date <= $day"
        " AND model_version IN (SELECT model_version FROM fraud_watch WHERE business_date = $day)"
        " ORDER BY business_date",
        day=day,
    )
    days: dict[str, list[Alerts]] = {}
    for livemode, version, *alerts in rows:
        days.setdefault(f"{version} ({_mode(livemode)})", []).append(Alerts(*alerts))
    found = {name: precision_fall(each) for name, each in days.items()}
    return {name: fall for name, fall in found.items() if fall is not None}


def _rates(row: Mapping[str, Any]) -> tuple[object, ...]:
    decisions = row["decisions"]
    return (
        *(_mode(row["livemode"]), row["role"], row["model_version"], decisions),
        *(_percent(row["allowed"], decisions), _percent(row["captured"], decisions)),
        *(_percent(_alerts(row), decisions), _percent(row["without_model"], decisions)),
    )


def _labels(row: Mapping[str, Any]) -> tuple[object, ...]:
    known = row["alerts_known"] + row["passed_known"]
    return (
        *(_mode(row["livemode"]), row["role"], row["model_version"], row["alerts_known"]),
        *_measured(wilson(row["alerts_fraud"], row["alerts_known"])),
        *_measured(wilson(row["alerts_fraud"], row["alerts_fraud"] + row["passed_fraud"])),
        row["decisions"] - known,
    )


def _measured(found: Interval | None) -> tuple[str | None, str | None]:
    if found is None:
        return None, None
    return f"{found.value:.1%}", f"{found.low:.1%} – {found.high:.1%}"


def _plotted(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Numbers that Dagster draws over the days: of the champion that decided most."""
    champions = [row for row in rows if row["role"] == "champion"]
    if not champions:
        return {}
    row = max(champions, key=lambda row: row["decisions"])
    precision = wilson(row["alerts_fraud"], row["alerts_known"])
    return {
        "alert_rate": _alerts(row) / row["decisions"],
        "approval_rate": row["allowed"] / row["decisions"],
        **({"precision": precision.value} if precision else {}),
    }


def _score_psi(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Another of them: the champion's index, if there is one."""
    found = [
        row["week_psi"]
        for row in rows
        if row["role"] == "champion" and row["input"] == drift.SCORE and row["week_psi"] is not None
    ]
    return {"score_psi_of_the_week": max(found)} if found else {}


def _alerts(row: Mapping[str, Any]) -> int:
    return int(row["reviewed"] + row["blocked"])


def _fallen(fall: Fall) -> tuple[str, ...]:
    now, before = fall.recent, fall.before
    return f"{now.value:.1%}", f"{now.high:.1%}", f"{before.value:.1%}", f"{before.low:.1%}"


def _inputs(rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    columns = ("model", "role", "input", "PSI of the week", "PSI of the day", "rows", "verdict")
    return display.table(
        columns,
        [
            (
                *(row["model_version"], row["role"], row["input"]),
                *(_number(row["week_psi"]), _number(row["psi"])),
                *(row["week_rows"], row["verdict"]),
            )
            for row in rows
        ],
    )


def _picture(rows: Sequence[Mapping[str, Any]]) -> dg.MarkdownMetadataValue:
    """Thousandths: a bar is a whole number."""
    found = [
        (f"{row['input']} ({row['model_version']} {row['role']})", round(1_000 * row["week_psi"]))
        for row in rows
        if row["week_psi"] is not None
    ]
    return charts.bars("PSI of the week × 1000: 100 moved, 250 drifted", found, money=False)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['model_version']} {row['role']}, {_mode(row['livemode'])}"


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "–"


def _number(value: float | None) -> str:
    return "too few" if value is None else f"{value:.3f}"


ASSETS: Final = (fraud_decisions, fraud_watch, fraud_drift, fraud_gauges)
CHECKS: Final = (decisions_explain_themselves, fraud_model_drift)
