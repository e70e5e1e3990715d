"""Contributions sum to the model's own margin, whatever the model, and points sum to the score."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from models.fraud import contributions
from models.fraud.calibration import Calibrated
from models.fraud.contributions import (
    Explainer,
    ExplainerRefused,
    Exported,
    Linear,
    Link,
    load,
    points,
)
from models.fraud.explainer import NotExportable, export

WIDTH = 12


def table(seed, *, missing=0.0, rows=700):
    """Rows of every kind that features have: counts, ratios, truths, long tails."""
    drawn = np.random.default_rng(seed)
    x = drawn.normal(size=(rows, WIDTH)) * 10.0 ** drawn.integers(-2, 6, WIDTH)
    x[:, :4] = drawn.poisson(2, (rows, 4))
    x[:, 4] = drawn.integers(0, 2, rows)
    x = x.astype(np.float32)
    y = (x[:, 0] + 3 * x[:, 4] + np.sign(x[:, 7]) * x[:, 1] + drawn.normal(size=rows) > 4).astype(
        int
    )
    x[drawn.random(x.shape) < missing] = np.nan
    return x, y


def margin_of(estimator, rows):
    if hasattr(estimator, "decision_function"):
        return estimator.decision_function(rows)
    return estimator.predict_proba(rows)[:, 1]


def regression(*before):
    return make_pipeline(*before, LogisticRegression(max_iter=20))


MODELS = {
    "small boosting": HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, random_state=1),
    "deep boosting": HistGradientBoostingClassifier(
        max_iter=80, max_leaf_nodes=63, min_samples_leaf=2, learning_rate=0.3, random_state=1
    ),
    "one split": HistGradientBoostingClassifier(max_iter=1, max_leaf_nodes=2),
    "forest": RandomForestClassifier(n_estimators=100, random_state=1),
    "best-first forest": RandomForestClassifier(
        n_estimators=50, max_leaf_nodes=30, class_weight="balanced", random_state=1
    ),
    "regression": LogisticRegression(max_iter=20),
    "scaled regression": regression(StandardScaler()),
    "centred regression": regression(StandardScaler(with_std=False)),
}


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", [1, 2])
def test_contributions_sum_to_the_margin(name, seed):
    x, y = table(seed)
    fitted = MODELS[name].fit(x.astype(float), y)
    explainer = load(export(fitted))
    rows, _ = table(seed + 10, rows=200)
    margins = margin_of(fitted, rows.astype(float))
    probabilities = fitted.predict_proba(rows.astype(float))[:, 1]
    for row, margin, probability in zip(rows, margins, probabilities, strict=True):
        parts = explainer.of(row)
        assert parts.shape == (WIDTH,)
        found = explainer.base + parts.sum()
        assert found == pytest.approx(margin, rel=1e-9, abs=1e-6)
        assert explainer.link.probability(found) == pytest.approx(probability, abs=1e-6)


@pytest.mark.parametrize("name", ["small boosting", "forest"])
def test_the_table_and_the_paths_agree(name, monkeypatch):
    x, y = table(3)
    content = export(MODELS[name].fit(x, y))
    monkeypatch.setattr(contributions, "_TABLE_CELLS", 10**9)
    by_table = load(content)
    monkeypatch.setattr(contributions, "_TABLE_CELLS", 0)
    by_paths = load(content)
    assert type(by_table.of) is not type(by_paths.of)
    for row in x[:100]:
        assert by_table.of(row) == pytest.approx(by_paths.of(row), abs=1e-12)


@pytest.mark.parametrize("name", ["small boosting", "forest"])
def test_missing_values_go_where_they_went_in_training(name):
    x, y = table(4, missing=0.2)
    fitted = MODELS[name].fit(x, y)
    explainer = load(export(fitted))
    margins = margin_of(fitted, x[:200])
    assert np.isnan(x[:200]).any(axis=1).sum() > 50
    for row, margin in zip(x[:200], margins, strict=True):
        assert explainer.base + explainer.of(row).sum() == pytest.approx(margin, abs=1e-6)


@pytest.mark.parametrize("name", ["small boosting", "forest"])
@pytest.mark.parametrize("cells", [0, 10**9])
def test_a_value_at_a_split_and_next_to_it_goes_the_right_way(name, cells, monkeypatch):
    """Every threshold of the model, the float32 at it, and both neighbours of that."""
    monkeypatch.setattr(contributions, "_TABLE_CELLS", cells)
    x, y = table(5)
    fitted = MODELS[name].fit(x, y)
    explainer = load(export(fitted))
    if name == "forest":
        asked = [(t.tree_.feature, t.tree_.threshold) for t in fitted.estimators_[:20]]
    else:
        asked = [(p.nodes["feature_idx"], p.nodes["num_threshold"]) for (p,) in fitted._predictors]
    features, thresholds = (np.concatenate(each) for each in zip(*asked, strict=True))
    edges = []
    for feature, threshold in zip(features[::5], thresholds[::5], strict=True):
        at = np.float32(threshold)
        for value in (at, np.nextafter(at, np.float32(-np.inf)), np.nextafter(at, np.float32(9e9))):
            row = x[len(edges) % len(x)].copy()
            row[max(feature, 0)] = value
            edges.append(row)
    rows = np.array(edges[:600])
    for row, margin in zip(rows, margin_of(fitted, rows), strict=True):
        assert explainer.base + explainer.of(row).sum() == pytest.approx(margin, abs=1e-6)


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("name", MODELS)
def test_a_calibration_is_part_of_the_link(name):
    x, y = table(6)
    calibrated = Calibrated(MODELS[name].fit(x.astype(float), y), slope=0.7, intercept=-1.3)
    explainer = load(export(calibrated))
    for row, expected in zip(x[:100], calibrated.predict_proba(x[:100].astype(float)), strict=True):
        found = explainer.link.probability(explainer.base + explainer.of(row).sum())
        assert found == pytest.approx(expected[1], abs=1e-6)


def test_a_contribution_belongs_to_the_input_that_was_asked():
    x, y = table(7)
    x[:, 9] = 0  # says nothing, so no tree asks it
    explainer = load(export(MODELS["forest"].fit(x, y)))
    parts = np.array([explainer.of(row) for row in x[:50]])
    assert not parts[:, 9].any()
    assert np.abs(parts[:, [0, 1, 4]]).sum() > np.abs(parts[:, [2, 3, 5, 6, 8, 10, 11]]).sum()


@pytest.mark.parametrize(
    ("estimator", "complaint"),
    [
        (ExtraTreesClassifier(n_estimators=2), "a ExtraTreesClassifier is not understood"),
        (regression(MinMaxScaler()), "MinMaxScaler and LogisticRegression"),
        (HistGradientBoostingClassifier(max_iter=2, categorical_features=[2]), "categories"),
    ],
)
def test_what_is_not_understood_is_refused(estimator, complaint):
    x, y = table(8)
    y = (x[:, 2] % 2).astype(int)  # so that the category is asked
    with pytest.raises(NotExportable, match=complaint):
        export(estimator.fit(x, y))


def test_three_classes_are_refused():
    x, _ = table(8)
    with pytest.raises(NotExportable, match="classes"):
        export(RandomForestClassifier(n_estimators=2).fit(x, x[:, 0] % 3))


# ── bytes that are not an explainer ──────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def boosting():
    x, y = table(9)
    return export(HistGradientBoostingClassifier(max_iter=3, max_leaf_nodes=4).fit(x, y))


def test_truncated_and_strange_bytes_are_refused(boosting):
    for content in (b"", b"nonsense", boosting[:-1], boosting[: len(boosting) // 2], b"\x80"):
        with pytest.raises(ExplainerRefused, match="cannot be read"):
            load(content)


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"value": b""}, "differ in length"),
        ({"roots": b""}, "differ in length"),
        ({"left": b"123"}, "broken array"),
        ({"width": 1}, "an input that is not there"),
        ({"base": math.nan}, "not finite"),
    ],
)
def test_broken_arrays_are_refused(boosting, changed, complaint):
    found = msgspec.msgpack.decode(boosting, type=Exported)
    model = msgspec.structs.replace(found.model, **changed)
    with pytest.raises(ExplainerRefused, match=complaint):
        load(msgspec.msgpack.encode(Exported(found.link, model)))


@pytest.mark.parametrize(
    ("name", "kind", "value", "complaint"),
    [
        ("left", "<u4", 10**6, "a node that is not there"),
        ("left", "<u4", 0, "cannot be|child before its parent"),
        ("right", "<u4", 1, "child before its parent|not trees"),
        ("value", "<f8", math.inf, "not finite"),
        ("threshold", "<f4", math.nan, "not finite"),
    ],
)
def test_broken_nodes_are_refused(boosting, name, kind, value, complaint):
    found = msgspec.msgpack.decode(boosting, type=Exported)
    array = np.frombuffer(getattr(found.model, name), kind).copy()
    array[2 if name == "left" else 0] = value
    model = msgspec.structs.replace(found.model, **{name: array.tobytes()})
    with pytest.raises(ExplainerRefused, match=complaint):
        load(msgspec.msgpack.encode(Exported(found.link, model)))


def test_a_broken_regression_is_refused():
    for weights in ([1.0], [1.0, math.nan]):
        linear = Linear(2, 0.0, weights, [0.0, 0.0])
        with pytest.raises(ExplainerRefused):
            load(msgspec.msgpack.encode(Exported(Link("logit"), linear)))


# ── points ───────────────────────────────────────────────────────────────────────────────────

finite = st.floats(-50, 50, allow_nan=False)
links = st.builds(
    Link, st.just("logit"), st.none() | st.tuples(st.floats(0.01, 5), st.floats(-5, 5))
)


def explainer_of(link, base, parts):
    return Explainer(len(parts), link, base, lambda _: np.array(parts), link.probability(base))


@given(links, finite, st.lists(finite, min_size=1, max_size=40))
def test_points_always_sum_to_the_percent(link, base, parts):
    probability = link.probability(base + sum(parts))
    found = points(explainer_of(link, base, parts), np.array(parts), probability)
    assert sum(share for _, share in found) == math.floor(100 * probability)
    (first, _), *shown, (last, _) = found
    assert first is last is None
    assert len(shown) <= contributions.SHOWN
    assert len({index for index, _ in shown}) == len(shown)
    assert all(share for _, share in shown)


@given(st.floats(0, 1), st.lists(st.floats(-1, 1), min_size=1, max_size=20))
def test_points_of_a_forest(base, parts):
    found = points(explainer_of(Link("probability"), base, parts), np.array(parts), 0.5)
    assert sum(share for _, share in found) == 50


@pytest.mark.parametrize("probability", [0.0, 1.0, 0.009_999, 0.01, 0.999_999])
def test_points_at_the_ends(probability):
    link = Link("logit")
    explainer = explainer_of(link, -3.0, [700.0, -20.0])
    found = points(explainer, explainer.of(None), probability)
    assert sum(share for _, share in found) == math.floor(100 * probability)


@pytest.mark.parametrize("tiny", [0.0, 1e-12, -1e-9])
def test_contributions_that_cancel_out(tiny):
    """The line from the base to the answer then has the link's own slope."""
    parts = [2.0, -2.0 + tiny]
    link = Link("logit")
    found = dict(
        points(explainer_of(link, 0.0, parts), np.array(parts), link.probability(tiny))[1:-1]
    )
    assert found[0] == pytest.approx(50, abs=1)
    assert found[1] == pytest.approx(-50, abs=1)


def test_the_largest_come_first_and_share_by_size():
    link = Link("probability")
    parts = [0.0, 0.05, 0.3, -0.1, 0.05]
    found = points(explainer_of(link, 0.1, parts), np.array(parts), 0.4)
    assert found[:3] == [(None, 10), (2, 30), (3, -10)]
    assert sorted(found[3:5]) == [(1, 5), (4, 5)]
    assert found[5:] == [(None, 0)]


def test_many_small_ones_are_told_as_others():
    parts = [0.01] * 30
    explainer = explainer_of(Link("probability"), 0.1, parts)
    found = points(explainer, np.array(parts), 0.4)
    assert [share for _, share in found] == [10, *[1] * 8, 22] or sum(s for _, s in found) == 40
    assert found[-1][0] is None
    assert found[-1][1] >= 20
