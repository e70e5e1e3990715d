"""Whether a model replaces the champion: a decision with its evidence.

Belongs here: gates and the decision, pure. Does not: moving the alias or writing files
(`registry`).
"""

from typing import Literal

from msgspec import Struct


class Evaluation(Struct, frozen=True, kw_only=True):
    """What is known of a model on one set of test rows."""

    auc: float
    ap: float
    cp100: float
    calibration_error: float
    fraud_rate: float
    rows: float
    frauds: float
    brier: float


class Candidate(Struct, frozen=True, kw_only=True):
    """A trained model with the evidence that its training left."""

    version: str
    run_id: str
    feature_set: str
    evaluation: Evaluation
    parity_rows: int
    parity_max_abs_diff: float
    latency_us: float


class Champion(Struct, frozen=True, kw_only=True):
    """The model in use, scored on the candidate's own test rows."""

    version: str
    evaluation: Evaluation


class Gates(Struct, frozen=True, kw_only=True):
    """The limits. Relative ones are to the champion on the same rows."""

    min_test_frauds: int = 20
    min_auc: float = 0.75
    min_lift: float = 3.0  # average precision against the fraud rate, which guessing reaches
    max_calibration_error: float = 0.02
    max_parity_diff: float = 1e-5
    max_latency_us: float = 1_000.0
    max_ap_loss: float = 0.01
    max_cp100_loss: float = 0.01


class Gate(Struct, frozen=True):
    """One gate as it was passed or failed."""

    name: str
    value: float
    limit: float
    must: Literal["at least", "at most"]
    passed: bool

    def __str__(self) -> str:
        verdict = "passed" if self.passed else "FAILED"
        return f"{verdict}: {self.name} {self.value:.6g}, must be {self.must} {self.limit:.6g}"


class Decision(Struct, frozen=True):
    """Promote or not, and why: every gate, passed or failed."""

    promote: bool
    candidate: str
    champion: str | None
    gates: tuple[Gate, ...]

    @property
    def reasons(self) -> tuple[str, ...]:
        """The failed gates, as sentences."""
        return tuple(str(gate) for gate in self.gates if not gate.passed)


def promote(candidate: Candidate, champion: Champion | None, gates: Gates) -> Decision:
    """Hold a candidate against every gate; without a champion only the absolute ones."""
    found = candidate.evaluation
    lift = found.ap / found.fraud_rate if found.fraud_rate > 0 else 0.0
    results = [
        _at_least("test_frauds", found.frauds, gates.min_test_frauds),
        _at_least("auc", found.auc, gates.min_auc),
        _at_least("lift", lift, gates.min_lift),
        _at_most("calibration_error", found.calibration_error, gates.max_calibration_error),
        _at_most("onnx_parity", candidate.parity_max_abs_diff, gates.max_parity_diff),
        _at_least("onnx_parity_rows", candidate.parity_rows, 1),
        _at_most("latency_us", candidate.latency_us, gates.max_latency_us),
    ]
    if champion is not None:
        best = champion.evaluation
        results += [
            _at_least("ap_against_champion", found.ap, best.ap - gates.max_ap_loss),
            _at_least("cp100_against_champion", found.cp100, best.cp100 - gates.max_cp100_loss),
        ]
    return Decision(
        promote=all(gate.passed for gate in results),
        candidate=candidate.version,
        champion=champion.version if champion else None,
        gates=tuple(results),
    )


def _at_least(name: str, value: float, limit: float) -> Gate:
    return Gate(name, value, limit, "at least", value >= limit)


def _at_most(name: str, value: float, limit: float) -> Gate:
    return Gate(name, value, limit, "at most", value <= limit)
