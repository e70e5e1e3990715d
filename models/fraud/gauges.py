"""What Prometheus is told of the model, as a file for the node exporter's textfile collector.

Belongs here: names, and the form of the file. Does not: what is measured (`watching`). The service
counts what it does itself (`online.platform.metrics`); this is what only a day's data can tell.
"""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from models.fraud.watching import wilson

if TYPE_CHECKING:
    from warehouse.connection import Lake

_HELP: Final[Mapping[str, str]] = {
    "khata_model_watched_until_seconds": "End of the newest day that the model was watched on.",
    "khata_model_decisions": "Decisions of that day.",
    "khata_model_alert_ratio": "Of the day's decisions, those that were blocked or reviewed.",
    "khata_model_approval_ratio": "Of the day's decisions, those that were simply allowed.",
    "khata_model_without_model_ratio": "Of the day's decisions, those that rules made alone.",
    "khata_model_precision": "Of the alerts of four weeks with a label, those that were fraud.",
    "khata_model_precision_low": "Lower bound of the precision (Wilson, 95 %).",
    "khata_model_precision_high": "Upper bound of the precision (Wilson, 95 %).",
    "khata_model_recall": "Of four weeks' payments known to be fraud, those that were alerted.",
    "khata_model_alerts_known_ratio": "Of four weeks' alerts, those that have a label.",
    "khata_model_psi": "Population stability index of an input over the week, against training.",
}

NAMES: Final = tuple(_HELP)

Samples = dict[str, list[tuple[dict[str, str], float]]]


def written(lake: "Lake") -> str:
    """The newest watched day in Prometheus' text format; no sample where there is no number."""
    samples: Samples = {name: [] for name in _HELP}
    for row in lake.query("fraud_gauges").iter_rows(named=True):
        labels = _labels(row)
        for name, value in _of_model(row):
            samples[name].append((labels, value))
    for row in lake.query("fraud_gauges_psi").iter_rows(named=True):
        labels = {**_labels(row), "input": row["input"]}
        samples["khata_model_psi"].append((labels, row["week_psi"]))
    return "".join(_lines(samples))


def replace(path: Path, text: str) -> None:
    """The collector sees the old file or the new one, never half of either."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def _of_model(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    day, decisions = row["business_date"], row["decisions"]
    ended = datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC)
    yield "khata_model_watched_until_seconds", (ended - _IST).timestamp()
    yield "khata_model_decisions", decisions
    yield "khata_model_alert_ratio", (row["reviewed"] + row["blocked"]) / decisions
    yield "khata_model_approval_ratio", row["allowed"] / decisions
    yield "khata_model_without_model_ratio", row["without_model"] / decisions
    precision = wilson(row["alerts_fraud"], row["alerts_known"])
    if precision:
        yield "khata_model_precision", precision.value
        yield "khata_model_precision_low", precision.low
        yield "khata_model_precision_high", precision.high
    recall = wilson(row["alerts_fraud"], row["alerts_fraud"] + row["passed_fraud"])
    if recall:
        yield "khata_model_recall", recall.value
    if row["alerts"]:
        yield "khata_model_alerts_known_ratio", row["alerts_known"] / row["alerts"]


_IST: Final = timedelta(minutes=330)


def _labels(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "model_version": row["model_version"],
        "role": row["role"],
        "mode": "live" if row["livemode"] else "test",
    }


def _lines(samples: Samples) -> Iterator[str]:
    for name, found in samples.items():
        yield f"# HELP {name} {_HELP[name]}\n# TYPE {name} gauge\n"
        for labels, value in found:
            inside = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
            yield f"{name}{{{inside}}} {float(value)!r}\n"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
