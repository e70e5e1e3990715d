"""What the pipeline fits is what the service loads, scores and explains."""

import math

import numpy as np
import pytest

from models.fraud.bundle import read_bundle
from models.fraud.contributions import points
from models.fraud.features import feature_names, feature_set_hash
from models.fraud.training import ALGORITHMS
from online.risk.reasons import model_factors
from tests.unit.models.fitted import fitted, fitted_bundle


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_fitted_model_scores_and_explains_as_scikit_learn_does(algorithm, tmp_path):
    model, rows = fitted(algorithm)
    path = fitted_bundle(tmp_path / "fraud.bundle", algorithm)
    bundle = read_bundle(path, feature_names(), feature_set_hash())
    rows = rows[:300]
    for row, expected in zip(rows, model.predict_proba(rows)[:, 1], strict=True):
        vector = row.tolist()
        answer, contributions = bundle.judge(vector)
        assert answer == pytest.approx(expected, abs=1e-5)
        assert bundle.explained(vector) == pytest.approx(expected, abs=1e-5)
        shares = points(bundle.explainer, contributions, answer)
        assert sum(share for _, share in shares) == math.floor(100 * answer)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_factors_of_a_risky_payment_say_why(algorithm, tmp_path):
    model, rows = fitted(algorithm)
    path = fitted_bundle(tmp_path / "fraud.bundle", algorithm)
    bundle = read_bundle(path, feature_names(), feature_set_hash())
    worst = rows[np.argsort(model.predict_proba(rows)[:, 1])[-20:]]
    told = set()
    for row in worst:
        probability, contributions = bundle.judge(row.tolist())
        factors = model_factors(bundle.explainer, row.tolist(), contributions, probability)
        assert factors[0].code == "model_base"
        told |= {factor.code for factor in factors[1:4]}
        assert all(
            ": " in factor.description for factor in factors[1:] if factor.code != "model_other"
        )
    assert "model_amount_to_customer_mean" in told
