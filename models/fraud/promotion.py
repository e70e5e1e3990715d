"""Whether a model replaces the champion: a decision with its evidence.

Belongs here: gates and the decision, pure. Does not: collecting evidence (`recording`, `parity`,
`drift`), moving the alias or writing files (`registry`).

Gates of form say that a model can be served as it was measured: they make it challenger. The
others say that it should decide. Every gate is listed, passed or failed, with a sentence.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

from msgspec import Struct

from models.fraud.features import feature_set_hash
from models.fraud.watching import DRIFTED, Interval


class Evaluation(Struct, frozen=True, kw_only=True):
    """What is known of a model on one set of test rows."""

    auc: float
    ap: float
    cp100: float
    calibration_error: float
    predicted_rate: float
    fraud_rate: float
    rows: float
    frauds: float
    brier: float


class Comparison(Struct, frozen=True, kw_only=True):
    """The champion scored on the candidate's own test rows; differences are candidate − champion,
    with the interval of a bootstrap that draws the same cards for both."""

    champion: str
    evaluation: Evaluation
    ap: Interval
    cp100: Interval


class Candidate(Struct, frozen=True, kw_only=True):
    """A trained model with the evidence that its training left."""

    version: str
    run_id: str
    algorithm: str
    feature_set: str
    evaluation: Evaluation
    measures: Mapping[str, Interval]
    drift: Mapping[str, float]  # index of the test days against those before them, by input
    parity_rows: int
    parity_max_abs_diff: float
    latency_us: float
    against: Comparison | None = None


class Champion(Struct, frozen=True):
    """The model in use. One made for other features cannot score the candidate's test rows."""

    version: str
    feature_set: str


class Served(Struct, frozen=True, kw_only=True):
    """What production says: decisions replayed by the daily check, and the shadow's own drift."""

    compared: int = 0
    mismatches: int = 0
    first: str = ""  # the first mismatch, as a sentence
    shadow_drift: float | None = None  # of the candidate's scores as challenger; None: no scores


class Gates(Struct, frozen=True, kw_only=True):
    """The limits. Relative ones are to the champion on the same rows."""

    max_onnx_diff: float = 1e-5
    max_latency_us: float = 1_000.0
    min_test_frauds: int = 20
    min_auc: float = 0.75
    min_lift: float = 3.0  # average precision against the fraud rate, which guessing reaches
    max_calibration_error: float = 0.02
    max_rate_error: float = 2.0  # predicted against observed frauds, the larger by the smaller
    # Twice what watching calls drifted: between the late days and the test days lies a second fit,
    # and in a young log windows that still fill up.
    max_drift: float = 2 * DRIFTED
    max_shadow_drift: float = DRIFTED
    min_replayed: int = 1
    max_ap_loss: float = 0.03
    max_cp100_loss: float = 0.02


class Gate(Struct, frozen=True, kw_only=True):
    """One gate as it was passed or failed."""

    name: str
    value: float
    must: Literal["at least", "at most"]
    limit: float
    says: str

    @property
    def passed(self) -> bool:
        """Not a number passes nothing."""
        return self.value >= self.limit if self.must == "at least" else self.value <= self.limit

    def __str__(self) -> str:
        return f"{'passed' if self.passed else 'FAILED'}: {self.name}: {self.says}"


class Decision(Struct, frozen=True, kw_only=True):
    """Promote or not, and why."""

    promote: bool
    candidate: str
    champion: str | None
    gates: tuple[Gate, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The failed gates, as sentences."""
        return tuple(f"{gate.name}: {gate.says}" for gate in self.gates if not gate.passed)


REHEARSAL = Gates(
    min_test_frauds=1, min_auc=0.0, min_lift=0.0, max_calibration_error=1.0,
    max_rate_error=1e9, max_drift=1e9, min_replayed=0, max_ap_loss=1.0, max_cp100_loss=1.0,
)  # fmt: skip


def form(candidate: Candidate, gates: Gates, refusal: str | None) -> tuple[Gate, ...]:
    """Whether it can be served as it was measured; then it may score in shadow.

    `refusal` is why the service would not take its file.
    """
    same = candidate.feature_set == feature_set_hash()
    return (
        Gate(
            name="bundle",
            value=float(refusal is None),
            must="at least",
            limit=1,
            says=f"the service refuses its file: {refusal}" if refusal else "its file is sound",
        ),
        Gate(
            name="feature_set",
            value=float(same),
            must="at least",
            limit=1,
            says=f"made for feature set {candidate.feature_set}, today's is {feature_set_hash()}",
        ),
        Gate(
            name="onnx_equality",
            value=candidate.parity_max_abs_diff if candidate.parity_rows else float("nan"),
            must="at most",
            limit=gates.max_onnx_diff,
            says=f"ONNX is at most {candidate.parity_max_abs_diff:.2g} from scikit-learn on"
            f" {candidate.parity_rows:,} rows; {gates.max_onnx_diff:.0e} is allowed",
        ),
        Gate(
            name="latency",
            value=candidate.latency_us,
            must="at most",
            limit=gates.max_latency_us,
            says=f"99 of 100 single payments are scored within {candidate.latency_us:.0f} µs;"
            f" {gates.max_latency_us:.0f} µs are allowed",
        ),
    )


def promote(
    candidate: Candidate,
    champion: Champion | None,
    served: Served,
    gates: Gates,
    refusal: str | None = None,
) -> Decision:
    """Hold a candidate against every gate; without a champion only against the absolute ones."""
    results = (
        *form(candidate, gates, refusal),
        *_quality(candidate, gates),
        *_drift(candidate, served, gates),
        _parity(served, champion, gates),
        *_against(candidate, champion, gates),
    )
    return Decision(
        promote=all(gate.passed for gate in results),
        candidate=candidate.version,
        champion=champion.version if champion else None,
        gates=results,
    )


def _quality(candidate: Candidate, gates: Gates) -> Sequence[Gate]:
    found = candidate.evaluation
    lift = found.ap / found.fraud_rate if found.fraud_rate > 0 else 0.0
    return (
        Gate(
            name="test_frauds",
            value=found.frauds,
            must="at least",
            limit=gates.min_test_frauds,
            says=f"{found.frauds:.0f} frauds among {found.rows:,.0f} test payments;"
            f" fewer than {gates.min_test_frauds} tell nothing",
        ),
        Gate(
            name="auc",
            value=found.auc,
            must="at least",
            limit=gates.min_auc,
            says=f"AUC is {found.auc:.4f}{_within(candidate, 'auc')};"
            f" must be at least {gates.min_auc}",
        ),
        Gate(
            name="lift",
            value=lift,
            must="at least",
            limit=gates.min_lift,
            says=f"average precision is {found.ap:.4f}{_within(candidate, 'ap')}, {lift:.1f} times"
            f" what guessing reaches; must be at least {gates.min_lift:g} times",
        ),
        *_calibration(found, gates),
    )


def _calibration(found: Evaluation, gates: Gates) -> Sequence[Gate]:
    low, high = sorted((found.predicted_rate, found.fraud_rate))
    ratio = high / low if low > 0 else float("nan")
    return (
        Gate(
            name="calibration_error",
            value=found.calibration_error,
            must="at most",
            limit=gates.max_calibration_error,
            says=f"scores are {found.calibration_error:.4f} off the observed fraud rate on"
            f" average over ten bins; {gates.max_calibration_error} is allowed",
        ),
        Gate(
            name="predicted_rate",
            value=ratio,
            must="at most",
            limit=gates.max_rate_error,
            says=f"{found.predicted_rate:.3%} fraud was predicted and {found.fraud_rate:.3%} came;"
            f" a factor of {gates.max_rate_error:g} is allowed",
        ),
    )


def _drift(candidate: Candidate, served: Served, gates: Gates) -> Sequence[Gate]:
    """Of the score alone: an input may move without harm, and is shown."""
    index = candidate.drift.get("score", float("nan") if gates.max_drift < 1e9 else 0.0)
    moved = sorted(
        (name for name, found in candidate.drift.items() if found >= DRIFTED and name != "score"),
        key=lambda name: -candidate.drift[name],
    )
    also = f"; inputs that moved as far: {', '.join(moved)}" if moved else ""
    score = Gate(
        name="drift",
        value=index,
        must="at most",
        limit=gates.max_drift,
        says=f"scores of the test days are {index:.3f} (population stability index) from those of"
        f" the days before; {gates.max_drift:g} is allowed{also}",
    )
    if served.shadow_drift is None:
        return (score,)
    return (
        score,
        Gate(
            name="drift_in_shadow",
            value=served.shadow_drift,
            must="at most",
            limit=gates.max_shadow_drift,
            says=f"scores given in shadow are {served.shadow_drift:.3f} (population stability"
            f" index) from those of the test days; {gates.max_shadow_drift:g} is allowed",
        ),
    )


def _parity(served: Served, champion: Champion | None, gates: Gates) -> Gate:
    # Before the first champion there may be no decision to replay; a mismatch refuses even then.
    enough = served.compared >= (gates.min_replayed if champion else 0)
    if served.mismatches:
        says = f"{served.mismatches:,} of {served.compared:,} replayed decisions of the last days"
        says += f" were served other features than training computes: {served.first}"
    elif served.compared:
        says = f"all {served.compared:,} replayed decisions of the last days have equal features"
    else:
        says = "no decision of the last days was replayed yet: run the asset fraud_parity"
    return Gate(
        name="parity",
        value=float(served.mismatches) if enough or served.mismatches else float("nan"),
        must="at most",
        limit=0,
        says=says,
    )


def _against(candidate: Candidate, champion: Champion | None, gates: Gates) -> Sequence[Gate]:
    if champion is None:
        return ()
    found = candidate.against
    comparable = champion.feature_set == candidate.feature_set
    same = found is not None and found.champion == champion.version
    if not comparable:
        says = f"the champion, version {champion.version}, was made for other features: it can"
        says += " neither score these payments nor serve"
    else:
        says = f"was compared with {f'version {found.champion}' if found else 'no model'},"
        says += f" the champion is version {champion.version}"
    compared = Gate(
        name="compared_with_champion",
        value=float(same or not comparable),
        must="at least",
        limit=1,
        says=says,
    )
    if found is None or not same:
        return (compared,)
    return (
        compared,
        _no_worse("ap_against_champion", "average precision", found.ap, gates.max_ap_loss),
        _no_worse("cp100_against_champion", "card precision", found.cp100, gates.max_cp100_loss),
    )


def _no_worse(name: str, measure: str, gap: Interval, margin: float) -> Gate:
    """The lower end counts: what may well be worse by more than the margin is not promoted."""
    return Gate(
        name=name,
        value=gap.low,
        must="at least",
        limit=-margin,
        says=f"{measure} is {gap.value:+.4f} against the champion's on the same payments"
        f" (95 % {gap.low:+.4f} to {gap.high:+.4f}); the lower end must be at least {-margin:+g}",
    )


def _within(candidate: Candidate, measure: str) -> str:
    found = candidate.measures.get(measure)
    return f" (95 % {found.low:.4f} to {found.high:.4f})" if found else ""
