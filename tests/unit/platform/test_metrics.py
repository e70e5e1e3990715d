"""What Prometheus sees: all workers' numbers as one, and nothing of a worker that is gone."""

import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from online.platform.metrics_port import registry_of, served

WORKER = """
import os, sys
from online.platform import metrics
metrics.assessed("block", "critical", 0.004)
metrics.assessed("allow", "low", 0.002)
metrics.engine_failed("late", "review")
metrics.shadow_rules_met(["rapid_fire", "rapid_fire"])
metrics.model_in_use("champion", "7")
metrics.model_in_use("champion", "8")
metrics.model_refused("challenger")
metrics.breaker_is("upi_hdfc", "authorize", sys.argv[1])
metrics.route_called("upi_hdfc", "authorize", "unknown")
print(os.getpid(), flush=True)
sys.stdin.read()
"""


class Worker:
    """A process that has counted, and ends when told to."""

    def __init__(self, folder: Path, breaker: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", WORKER, breaker],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def end(self) -> None:
        self.process.communicate()


def read(folder: Path) -> dict[str, float]:
    """Every sample but the time of creation, as `name{label="value"}`."""
    found = {}
    for metric in registry_of(folder).collect():
        for sample in metric.samples:
            labels = ",".join(f'{key}="{value}"' for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


@pytest.fixture
def workers(tmp_path: Path):
    made = [Worker(tmp_path, "open"), Worker(tmp_path, "half_open")]
    yield made
    for worker in made:
        if worker.process.returncode is None:
            worker.end()


def test_two_workers_are_one_service(workers, tmp_path):
    found = read(tmp_path)
    assert found['fraud_detections_total{decision="block",level="critical"}'] == 2
    assert found["risk_assessment_duration_seconds_count{}"] == 4
    assert found['risk_assessment_duration_seconds_bucket{le="0.002"}'] == 2
    assert found['risk_assessment_duration_seconds_bucket{le="+Inf"}'] == 4
    assert found['risk_engine_failures_total{mode="review",reason="late"}'] == 2
    assert found['risk_shadow_rule_hits_total{code="rapid_fire"}'] == 4
    assert found['risk_model_refusals_total{role="challenger"}'] == 2


def test_a_payment_that_is_allowed_is_no_detection(workers, tmp_path):
    assert not [name for name in read(tmp_path) if "allow" in name]


def test_the_model_before_the_swap_is_used_by_no_worker(workers, tmp_path):
    found = read(tmp_path)
    assert found['risk_model_info{role="champion",version="7"}'] == 0
    assert found['risk_model_info{role="champion",version="8"}'] == 2


def test_a_worker_that_ended_scores_no_more_and_what_it_counted_stays(workers, tmp_path):
    workers[0].end()
    found = read(tmp_path)
    assert found['risk_model_info{role="champion",version="8"}'] == 1
    assert found['fraud_detections_total{decision="block",level="critical"}'] == 2


def test_a_breaker_is_as_the_worst_of_the_workers_that_live_has_it(workers, tmp_path):
    name = 'circuit_breaker_state{operation="authorize",route="upi_hdfc"}'
    assert read(tmp_path)[name] == 2
    workers[0].end()
    found = read(tmp_path)
    assert found[name] == 1
    assert found['route_calls_total{operation="authorize",outcome="unknown",route="upi_hdfc"}'] == 2


LISTENER = """
import subprocess, sys
from online.platform.metrics_port import served
with served("127.0.0.1", int(sys.argv[1])):
    worker = "from online.platform import metrics; metrics.assessed('review', 'high', 0.003)"
    subprocess.run([sys.executable, "-c", worker], check=True)
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_it_is_told_on_a_port_of_its_own():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-c", LISTENER, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        process.communicate()
    assert re.search(
        r'^fraud_detections_total\{decision="review",level="high"\} 1', text, re.MULTILINE
    )
    assert process.returncode == 0


def test_a_taken_port_costs_the_metrics_alone(monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with served("127.0.0.1", taken.getsockname()[1]):
            went_on = True
    assert went_on
