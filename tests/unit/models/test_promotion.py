"""The decision: every gate at its limit, and every gate named."""

import msgspec
import pytest

from models.fraud.promotion import Candidate, Champion, Evaluation, Gates, promote

EVALUATION = Evaluation(
    auc=0.9, ap=0.5, cp100=0.2, calibration_error=0.005, fraud_rate=0.01, rows=7000.0,
    frauds=70.0, brier=0.01,
)  # fmt: skip
CANDIDATE = Candidate(
    version="3", run_id="r", feature_set="f", evaluation=EVALUATION, parity_rows=7000,
    parity_max_abs_diff=1e-6, latency_us=20.0,
)  # fmt: skip
CHAMPION = Champion(version="2", evaluation=EVALUATION)
GATES = Gates()


def with_evaluation(**changed) -> Candidate:
    evaluation = msgspec.structs.replace(EVALUATION, **changed)
    return msgspec.structs.replace(CANDIDATE, evaluation=evaluation)


@pytest.mark.parametrize(
    ("candidate", "failed"),
    [
        (CANDIDATE, []),
        (with_evaluation(auc=0.75), []),
        (with_evaluation(auc=0.7499), ["auc"]),
        (with_evaluation(auc=float("nan")), ["auc"]),
        (with_evaluation(frauds=20.0), []),
        (with_evaluation(frauds=19.0), ["test_frauds"]),
        (with_evaluation(calibration_error=0.021), ["calibration_error"]),
        (with_evaluation(ap=0.49), []),
        (with_evaluation(ap=0.489), ["ap_against_champion"]),
        (with_evaluation(ap=0.02), ["lift", "ap_against_champion"]),
        (with_evaluation(fraud_rate=0.0), ["lift"]),
        (with_evaluation(cp100=0.18), ["cp100_against_champion"]),
        (msgspec.structs.replace(CANDIDATE, parity_max_abs_diff=1e-5), []),
        (msgspec.structs.replace(CANDIDATE, parity_max_abs_diff=1.1e-5), ["onnx_parity"]),
        (msgspec.structs.replace(CANDIDATE, parity_max_abs_diff=float("nan")), ["onnx_parity"]),
        (msgspec.structs.replace(CANDIDATE, parity_rows=0), ["onnx_parity_rows"]),
        (msgspec.structs.replace(CANDIDATE, latency_us=1000.1), ["latency_us"]),
    ],
)
def test_gates(candidate, failed):
    decision = promote(candidate, CHAMPION, GATES)
    assert [gate.name for gate in decision.gates if not gate.passed] == failed
    assert decision.promote is (not failed)
    assert len(decision.gates) == 9, "every gate is listed, passed or not"
    assert len(decision.reasons) == len(failed)


def test_without_a_champion_only_the_absolute_gates_count():
    decision = promote(with_evaluation(ap=0.1), None, GATES)
    assert decision.promote
    assert decision.champion is None
    assert {gate.name for gate in decision.gates}.isdisjoint(
        {"ap_against_champion", "cp100_against_champion"}
    )


def test_a_reason_reads_as_a_sentence():
    decision = promote(with_evaluation(auc=0.7), CHAMPION, GATES)
    assert decision.reasons == ("FAILED: auc 0.7, must be at least 0.75",)
