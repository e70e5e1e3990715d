"""The alert rules: a form that Prometheus takes, over metrics that there are."""

import re
import shutil
import subprocess

import pytest
import yaml
from prometheus_client import REGISTRY

from models.fraud import gauges
from online.platform import metrics, work_metrics
from tests.architecture.source import ROOT

FOLDER = ROOT / "deploy" / "prometheus"
FILES = sorted(FOLDER.glob("*.rules.yml"))
RULES = [
    rule
    for file in FILES
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
# Words of PromQL that are no metric.
LANGUAGE = {
    *("sum", "rate", "by", "reason", "mode", "le", "histogram_quantile", "role", "input", "or"),
    *("absent", "increase", "time", "max", "champion", "score", "m", "route", "operation"),
    *("outcome", "unknown", "livemode", "true", "rail", "lane", "verdict", "given_up"),
}


def names_of(expression: str) -> set[str]:
    return set(re.findall(r"[a-zA-Z_]+", expression)) - LANGUAGE


def known() -> set[str]:
    """Every name that the service or the pipelines write."""
    assert metrics.assessed
    assert work_metrics.jobs_wait
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
    of_service = {
        family.name + suffix
        for family in REGISTRY.collect()
        for suffix in suffixes.get(family.type, ())
    }
    return of_service | set(gauges.NAMES)


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_is_over_metrics_that_there_are_and_says_what_it_means(rule):
    assert names_of(rule["expr"]) <= known()
    assert names_of(rule["expr"])
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert len(rule["annotations"]["summary"]) > 20
    assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "1m"))


def test_the_spike_that_was_asked_for_is_there():
    (spike,) = [rule for rule in RULES if rule["alert"] == "FraudDetectionSpike"]
    assert spike["expr"] == "sum(rate(fraud_detections_total[5m])) > 10"
    assert spike["for"] == "1m"


def test_the_rules_are_those_that_the_configuration_names():
    config = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    assert [FOLDER / name for name in config["rule_files"]] == FILES


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
@pytest.mark.parametrize(
    "words",
    [
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "fraud.rules.test.yml"],
        ["test", "rules", "recovery.rules.test.yml"],
    ],
    ids=["their form", "when risk's fire", "when recovery's fire"],
)
def test_prometheus_itself_takes_them(words):
    command = ["promtool", *words[:2], str(FOLDER / words[2])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
