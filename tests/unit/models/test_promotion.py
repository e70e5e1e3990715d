"""The decision: every gate at its limit, every gate named, every reason with its numbers."""

import msgspec
import pytest

from models.fraud.features import feature_set_hash
from models.fraud.promotion import (
    REHEARSAL,
    Candidate,
    Champion,
    Comparison,
    Evaluation,
    Gates,
    Served,
    form,
    promote,
)
from models.fraud.watching import Interval

EVALUATION = Evaluation(
    auc=0.9, ap=0.5, cp100=0.2, calibration_error=0.005, predicted_rate=0.011, fraud_rate=0.01,
    rows=7000.0, frauds=70.0, brier=0.01,
)  # fmt: skip
AGAINST = Comparison(
    champion="2",
    evaluation=EVALUATION,
    ap=Interval(0.01, -0.01, 0.03),
    cp100=Interval(0.0, -0.01, 0.01),
)
CANDIDATE = Candidate(
    version="3", run_id="r", algorithm="random_forest", feature_set=feature_set_hash(),
    evaluation=EVALUATION, measures={"auc": Interval(0.9, 0.88, 0.92)}, drift={"score": 0.02},
    parity_rows=7000, parity_max_abs_diff=1e-6, latency_us=20.0, against=AGAINST,
)  # fmt: skip
CHAMPION = Champion("2", feature_set_hash())
SERVED = Served(compared=500)
GATES = Gates()


def evaluated(**changed) -> Candidate:
    return candidate(evaluation=msgspec.structs.replace(EVALUATION, **changed))


def candidate(**changed) -> Candidate:
    return msgspec.structs.replace(CANDIDATE, **changed)


def against(**changed) -> Candidate:
    return candidate(against=msgspec.structs.replace(AGAINST, **changed))


NAN = float("nan")


@pytest.mark.parametrize(
    ("found", "failed"),
    [
        (CANDIDATE, []),
        (evaluated(auc=0.75), []),
        (evaluated(auc=0.7499), ["auc"]),
        (evaluated(auc=NAN), ["auc"]),
        (evaluated(frauds=20.0), []),
        (evaluated(frauds=19.0), ["test_frauds"]),
        (evaluated(calibration_error=0.02), []),
        (evaluated(calibration_error=0.021), ["calibration_error"]),
        (evaluated(predicted_rate=0.02), []),
        (evaluated(predicted_rate=0.0201), ["predicted_rate"]),
        (evaluated(predicted_rate=0.0049), ["predicted_rate"]),
        (evaluated(predicted_rate=0.0), ["predicted_rate"]),
        (evaluated(ap=0.03), []),
        (evaluated(ap=0.029), ["lift"]),
        (evaluated(fraud_rate=0.0), ["lift", "predicted_rate"]),
        (candidate(parity_max_abs_diff=1e-5), []),
        (candidate(parity_max_abs_diff=1.1e-5), ["onnx_equality"]),
        (candidate(parity_max_abs_diff=NAN), ["onnx_equality"]),
        (candidate(parity_rows=0), ["onnx_equality"]),
        (candidate(latency_us=1000.1), ["latency"]),
        (candidate(feature_set="another"), ["feature_set"]),
        (candidate(drift={"score": 0.5}), []),
        (candidate(drift={"score": 0.501}), ["drift"]),
        (candidate(drift={}), ["drift"]),
        (against(ap=Interval(0.1, -0.03, 0.2)), []),
        (against(ap=Interval(0.1, -0.0301, 0.2)), ["ap_against_champion"]),
        (against(cp100=Interval(-0.05, -0.08, -0.02)), ["cp100_against_champion"]),
        (against(champion="1"), ["compared_with_champion"]),
        (candidate(against=None), ["compared_with_champion"]),
    ],
)
def test_gates(found, failed):
    # A candidate of another feature set is not compared with the champion either.
    champion = Champion("2", found.feature_set)
    decision = promote(found, champion, SERVED, GATES)
    assert [gate.name for gate in decision.gates if not gate.passed] == failed
    assert decision.promote is (not failed)
    assert len(decision.reasons) == len(failed)
    assert len({gate.name for gate in decision.gates}) == len(decision.gates)


@pytest.mark.parametrize(
    ("served", "champion", "passed"),
    [
        (Served(compared=500), CHAMPION, True),
        (Served(compared=500, mismatches=1, first="x was 1, replayed 2"), CHAMPION, False),
        (Served(compared=500, mismatches=1, first="x was 1, replayed 2"), None, False),
        (Served(), CHAMPION, False),
        (Served(), None, True),
        (Served(compared=1), CHAMPION, True),
    ],
)
def test_parity_of_what_is_served(served, champion, passed):
    decision = promote(CANDIDATE, champion, served, GATES)
    (gate,) = [gate for gate in decision.gates if gate.name == "parity"]
    assert gate.passed is passed
    assert decision.promote is passed
    if served.first:
        assert served.first in gate.says


def test_drift_of_the_shadow_counts_once_there_is_any():
    names = {gate.name for gate in promote(CANDIDATE, CHAMPION, SERVED, GATES).gates}
    assert "drift_in_shadow" not in names
    for index, passed in ((0.25, True), (0.26, False)):
        served = msgspec.structs.replace(SERVED, shadow_drift=index)
        assert promote(CANDIDATE, CHAMPION, served, GATES).promote is passed


def test_a_file_that_the_service_refuses_is_not_promoted():
    decision = promote(CANDIDATE, CHAMPION, SERVED, GATES, "the model's hash is not the manifest's")
    assert not decision.promote
    assert decision.reasons == (
        "bundle: the service refuses its file: the model's hash is not the manifest's",
    )


def test_without_a_champion_only_the_absolute_gates_count():
    decision = promote(candidate(against=None), None, Served(), GATES)
    assert decision.promote
    assert decision.champion is None
    assert not any("champion" in gate.name for gate in decision.gates)


def test_a_champion_of_other_features_cannot_serve_and_is_no_measure():
    decision = promote(candidate(against=None), Champion("2", "older"), SERVED, GATES)
    assert decision.promote
    assert decision.champion == "2"
    (gate,) = [gate for gate in decision.gates if gate.name == "compared_with_champion"]
    assert "was made for other features" in gate.says


def test_a_rehearsal_is_held_to_the_form_alone():
    poor = evaluated(auc=0.4, ap=0.001, frauds=1.0, calibration_error=0.5)
    poor = msgspec.structs.replace(poor, drift={})
    assert promote(poor, CHAMPION, Served(), REHEARSAL).promote
    assert not promote(poor, CHAMPION, Served(), GATES).promote
    bad = msgspec.structs.replace(poor, parity_max_abs_diff=0.1)
    assert not promote(bad, CHAMPION, Served(), REHEARSAL).promote
    wrong = Served(compared=5, mismatches=1, first="x")
    assert not promote(poor, CHAMPION, wrong, REHEARSAL).promote, "parity is not rehearsed"


def test_form_is_what_a_challenger_needs():
    names = [gate.name for gate in form(CANDIDATE, GATES, None)]
    assert names == ["bundle", "feature_set", "onnx_equality", "latency"]


def test_a_reason_reads_as_a_sentence_with_its_numbers():
    assert promote(evaluated(auc=0.7), CHAMPION, SERVED, GATES).reasons == (
        "auc: AUC is 0.7000 (95 % 0.8800 to 0.9200); must be at least 0.75",
    )
    worse = against(ap=Interval(-0.05, -0.09, 0.01))
    (reason,) = promote(worse, CHAMPION, SERVED, GATES).reasons
    assert reason == (
        "ap_against_champion: average precision is -0.0500 against the champion's on the same"
        " payments (95 % -0.0900 to +0.0100); the lower end must be at least -0.03"
    )
