"""Assessing a payment: what is known, what rules and models make of it, one decision.

`Risk` is what payments use. It writes nothing: the rows that later payments are compared with go
into the payment's own transaction (`recording`). No transaction is open while it reads or asks, and
it answers within the merchant's time: what comes later, or not at all, leaves the decision to the
merchant's failure mode.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

import structlog
from msgspec import Struct

from online.platform import metrics
from online.platform.metrics import FailureReason
from online.platform.ttl_cache import TtlCache
from online.risk.domain import (
    Assessment,
    Factor,
    Outside,
    RiskInput,
    decide,
    decide_without,
    device_trust,
    level_of,
    total,
)
from online.risk.evidence import Evidence, Reader
from online.risk.scoring import Scored, Scorer
from online.screening.domain import RiskTerms
from online.screening.external import External, Question, ScorerFailed

log = structlog.get_logger("khata.risk")

_DAY_S: Final = 86_400
_SPARE_MS: Final = 5  # a scorer is given up a little earlier than the assessment
_SCORER_FAILURES: Final[dict[str, FailureReason]] = {
    "timeout": "scorer_late",
    "circuit_open": "scorer_open",
}

T = TypeVar("T")


class TermsOf(Protocol):
    """A merchant's thresholds and failure mode (`screening.Terms` fulfils it)."""

    @property
    def defaults(self) -> RiskTerms: ...

    def at_hand(self, merchant_id: UUID, *, livemode: bool) -> RiskTerms | None: ...

    async def of(self, merchant_id: UUID, *, livemode: bool) -> RiskTerms: ...


class OutsideScorers(Protocol):
    """Scorers that merchants bring (`screening.Scorers` fulfils it)."""

    async def score(self, name: str, question: Question, *, within_ms: int) -> External: ...


class Gathered(Struct, frozen=True, kw_only=True):
    """What came in time. `failure` says what did not."""

    evidence: Evidence | None = None
    external: External | None = None
    failure: FailureReason | None = None


class Risk:
    """Assesses payments; see the module."""

    def __init__(
        self,
        *,
        reader: Reader,
        scorer: Scorer,
        terms: TermsOf,
        scorers: OutsideScorers | None = None,
    ) -> None:
        self._reader = reader
        self._scorer = scorer
        self._terms = terms
        self._scorers = scorers
        self.models: Final = scorer.models
        self._last_terms: TtlCache[tuple[UUID, bool], RiskTerms] = TtlCache(ttl_s=_DAY_S)
        self._abandoned: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Load the models and watch their files; without one, rules alone decide."""
        await self.models.start()

    async def stop(self) -> None:
        await self.models.stop()
        await asyncio.gather(*self._abandoned, return_exceptions=True)
        await self._reader.stop()

    async def assess(self, payment: RiskInput) -> Assessment:
        """Score and decide one payment as of its own time. Always answers."""
        begun = time.perf_counter()
        terms = await self._terms_of(payment)
        gathered = await self._gather(payment, terms, begun)
        scored, failure = self._score(payment, gathered)
        reasons = (*scored.reasons, *_outside(gathered.external))
        if failure is None:
            score, factors = total(reasons)
            decision = decide(score, terms)
        else:
            decision, score, factors = decide_without(reasons, terms)
            metrics.engine_failed(failure, terms.failure_mode)
        evidence, external = gathered.evidence, gathered.external
        level = level_of(score)
        took_s = time.perf_counter() - begun
        metrics.assessed(decision, level, took_s)
        return Assessment(
            payment_id=payment.payment_id,
            score=score,
            level=level,
            decision=decision,
            factors=factors,
            device_trust=evidence.device_trust
            if evidence
            else device_trust(payment.device_key, {}),
            probability=scored.probability,
            model_version=scored.model_version,
            challenger=scored.challenger,
            external=Outside(external.scorer, external.score) if external else None,
            rules_version=self._scorer.rules.version,
            rules_hash=self._scorer.rules.hash,
            shadow_rules=scored.shadow_rules,
            lists=tuple(sorted(evidence.circumstances.lists)) if evidence else (),
            thresholds={
                "challenge": terms.challenge_at,
                "review": terms.review_at,
                "block": terms.block_at,
            },
            feature_set=self._scorer.feature_set,
            features=evidence.raw if evidence else {},
            vector_hash=scored.vector_hash,
            snapshot=evidence.snapshot if evidence else None,
            failure=failure,
            took_us=int(took_s * 1e6),
        )

    # ── what is known, in time ───────────────────────────────────────────────────────────

    async def _terms_of(self, payment: RiskInput) -> RiskTerms:
        """The merchant's; when they cannot be read, those of before, or the house's."""
        at_hand = self._terms.at_hand(payment.merchant_id, livemode=payment.livemode)
        if at_hand is not None:
            return at_hand
        key = (payment.merchant_id, payment.livemode)
        before = self._last_terms.get(key) or self._terms.defaults
        asking = self._terms.of(payment.merchant_id, livemode=payment.livemode)
        task = await self._within(before.timeout_ms / 1000, asking)
        terms = _result(task, "risk_terms_failed")
        if terms is None:
            return before
        self._last_terms.put(key, terms)
        return terms

    async def _gather(self, payment: RiskInput, terms: RiskTerms, begun: float) -> Gathered:
        """Evidence and the merchant's own scorer, side by side."""
        left_s = max(0.0, terms.timeout_ms / 1000 - (time.perf_counter() - begun))
        reading = asyncio.ensure_future(self._reader.read(payment))
        asking = self._ask(payment, terms, left_s)
        tasks: list[asyncio.Future[Any]] = [reading, *([asking] if asking else [])]
        await self._in_time(left_s, tasks)
        evidence = _result(reading, "risk_evidence_failed")
        external = _result(asking, "risk_scorer_failed") if asking else None
        failure: FailureReason | None = None
        if evidence is None:
            failure = "late" if not _ended(reading) else "features_failed"
        elif asking is not None and external is None:
            failure = _scorer_failure(asking)
        return Gathered(evidence=evidence, external=external, failure=failure)

    def _ask(
        self, payment: RiskInput, terms: RiskTerms, left_s: float
    ) -> "asyncio.Future[External] | None":
        if terms.scorer is None or self._scorers is None:
            return None
        within_ms = max(1, int(left_s * 1000) - _SPARE_MS)
        question = _question(payment)
        return asyncio.ensure_future(
            self._scorers.score(terms.scorer, question, within_ms=within_ms)
        )

    async def _within(self, seconds: float, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.ensure_future(coroutine)
        await self._in_time(seconds, [task])
        return task

    async def _in_time(self, seconds: float, tasks: list[asyncio.Future[Any]]) -> None:
        """Waits for all of them, no longer than that. What is late is cancelled, and not waited
        for: giving a connection back may itself take a database that does not answer."""
        try:
            await asyncio.wait(tasks, timeout=seconds)
        finally:
            for task in tasks:
                if not task.done():
                    task.cancel()
                    self._abandoned.add(task)
                    task.add_done_callback(self._forget)

    def _forget(self, task: "asyncio.Future[Any]") -> None:
        self._abandoned.discard(task)
        if _ended(task) and task.exception() is not None:
            log.warning("risk_cancelled_task_failed", reason=repr(task.exception()))

    # ── what follows from it ─────────────────────────────────────────────────────────────

    def _score(self, payment: RiskInput, gathered: Gathered) -> tuple[Scored, FailureReason | None]:
        if gathered.evidence is None:
            return Scored(), gathered.failure
        try:
            return self._scorer.score(payment, gathered.evidence), gathered.failure
        except Exception:
            log.exception("risk_scoring_failed")
            return Scored(), "failed"


def _ended(task: "asyncio.Future[Any]") -> bool:
    """Whether it came to an end by itself."""
    return task.done() and not task.cancelled()


def _result(task: "asyncio.Future[T]", event: str) -> T | None:
    """What came in time, or None. Why not goes to the log."""
    if not _ended(task):
        log.warning(event, reason="late")
        return None
    error = task.exception()
    if error is not None:
        log.warning(event, reason=repr(error), exc_info=error)
        return None
    return task.result()


def _scorer_failure(task: "asyncio.Future[External]") -> FailureReason:
    if not _ended(task):
        return "scorer_late"
    error = task.exception()
    reason = error.reason if isinstance(error, ScorerFailed) else ""
    return _SCORER_FAILURES.get(reason, "scorer_failed")


def _outside(external: External | None) -> tuple[Factor, ...]:
    if external is None:
        return ()
    why = f": {', '.join(external.reasons)}" if external.reasons else ""
    words = f"The merchant's own scorer {external.scorer}{why}"
    return (Factor("external_score", words, external.score),)


def _question(payment: RiskInput) -> Question:
    card = payment.card or {}
    return Question(
        payment_id=payment.payment_id,
        merchant_id=payment.merchant_id,
        at=payment.at,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        method=payment.method,
        livemode=payment.livemode,
        instrument=payment.instrument,
        customer=payment.customer_key,
        device=payment.device_key,
        ip=payment.ip_key,
        card_network=card.get("network"),
        card_country=card.get("country"),
    )
