"""Assessing a payment: what is computed once the evidence is in hand, and the whole of it.

Scoring is rules, model and the explanation of its answer, next to scikit-learn answering for one
row of the same model without any of that. The whole is what a payment waits for: features over a
month of a million entities, lists, rules, model, explanation.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
from threadpoolctl import threadpool_limits

from models.fraud.features import values
from models.fraud.rules import Circumstances, load_rules
from models.fraud.training import Algorithm
from online.kernel import ids
from online.platform.db import Database
from online.risk.domain import RiskInput, device_trust
from online.risk.evidence import Evidence
from online.risk.model_files import Models
from online.risk.scoring import Scorer
from tests.load import risk_data
from tests.load.stage import Figure, Stage
from tests.risk import RULES, risk_on
from tests.unit.models.fitted import drawn_raw, fitted, fitted_bundle

_ALGORITHMS: tuple[Algorithm, ...] = ("hist_gradient_boosting", "random_forest")
_CASES = 300
_AT_ONCE = 4


def figures(stage: Stage, seconds: int) -> list[Figure]:
    """Scoring of each kind of model, then the whole assessment."""
    scored = [_scoring(stage.folder, algorithm) for algorithm in _ALGORITHMS]
    return [*scored, asyncio.run(_whole(stage, seconds))]


# ── scoring ──────────────────────────────────────────────────────────────────────────────────


def _scoring(folder: Path, algorithm: Algorithm) -> Figure:
    models = Models(fitted_bundle(folder / f"{algorithm}.bundle", algorithm))
    asyncio.run(models.refresh())
    scorer = Scorer(load_rules(RULES), models)
    rng = random.Random(5)
    cases = [_case(rng) for _ in range(_CASES)]
    ours = _at(_taken([partial(scorer.score, *case) for case in cases]), 0.5)
    theirs = _at(_theirs(algorithm), 0.5)
    more = {"us": round(ours * 1e3, 1), "baseline_us": round(theirs * 1e3, 1)}
    return Figure(f"assess_scoring_{algorithm}", 1e3 / ours, 1e3 / theirs, "payments/s", more)


def _theirs(algorithm: Algorithm) -> list[float]:
    """scikit-learn answering for single rows, with one thread: more only wait for one another."""
    model, rows = fitted(algorithm)
    one_by_one = [rows[at : at + 1] for at in range(_CASES)]
    with threadpool_limits(1):
        return _taken([partial(model.estimator.predict_proba, row) for row in one_by_one])


def _case(rng: random.Random) -> tuple[RiskInput, Evidence]:
    payment = RiskInput(
        payment_id=ids.derived(str(rng.random())),
        at=datetime.fromisoformat("2026-10-01T10:00:00+00:00"),
        amount_minor=int(rng.lognormvariate(10.5, 1.2)) + 1,
        currency="INR",
        method=rng.choice(("card", "upi")),
        merchant_id=ids.derived("merchant"),
        instrument="instrument",
        customer_key="customer",
        device_key="device",
        livemode=False,
    )
    raw = drawn_raw(rng)
    known = values(raw, payment.facts)
    return payment, Evidence(
        snapshot="1:1:",
        raw=raw,
        known=known,
        circumstances=Circumstances(),
        device_trust=device_trust("device", known),
    )


# ── the whole ────────────────────────────────────────────────────────────────────────────────


async def _whole(stage: Stage, seconds: int) -> Figure:
    """p99 of one assessment after the other, and of several at once, for `seconds` each."""
    app_url, owner_url = stage.database("risk")
    until = risk_data.fill(owner_url)
    payments = _sample(owner_url, until)
    database = Database(app_url, planned_once=True)
    await database.open()
    path = fitted_bundle(stage.folder / "whole" / "fraud.bundle", "hist_gradient_boosting")
    fitted_bundle(path.with_name("fraud-challenger.bundle"), "random_forest", "2")
    risk = risk_on(database, bundle_path=path)
    await risk.start()

    async def ask(offset: int, until_s: float) -> list[float]:
        taken = []
        while time.monotonic() < until_s:
            found = await risk.assess(payments[(offset + len(taken)) % len(payments)])
            if found.failure or found.model_version is None or found.challenger is None:
                raise RuntimeError(f"not a whole assessment: {found.failure}")
            taken.append(found.took_us / 1e3)
        return sorted(taken)

    await ask(0, time.monotonic() + 2)  # plans, caches
    one = await ask(0, time.monotonic() + seconds)
    end = time.monotonic() + seconds
    several = await asyncio.gather(*(ask(at * 997, end) for at in range(_AT_ONCE)))
    await risk.stop()
    await database.close()
    together = sorted(taken for each in several for taken in each)
    theirs = _theirs("hist_gradient_boosting")
    more = {
        "p50": round(_at(one, 0.5), 2),
        "per_s": round(1e3 / (sum(one) / len(one))),
        f"p99_of_{_AT_ONCE}_at_once": round(_at(together, 0.99), 2),
        "entities": risk_data.CUSTOMERS * 2 + risk_data.DEVICES + risk_data.MERCHANTS,
        "limit_ms": 10,
    }
    return Figure("assess_whole_p99", _at(one, 0.99), _at(theirs, 0.99), "ms", more)


def _taken(calls: Sequence[Callable[[], object]]) -> list[float]:
    """Milliseconds of every call, sorted; each is made twice and its second time counts."""
    taken = []
    for measured in (False, True):
        for call in calls:
            started = time.perf_counter()
            call()
            if measured:
                taken.append((time.perf_counter() - started) * 1e3)
    return sorted(taken)


def _at(taken: Sequence[float], share: float) -> float:
    return taken[int(len(taken) * share)]


def _sample(owner_url: str, until: datetime) -> list[RiskInput]:
    """Payments as they may come next: from all over the month, one in five at the busiest
    merchant, one in ten with everything new."""
    columns = "customer_key, card_key, vpa_key, device_key, ip_key, merchant_id, amount_minor"
    with psycopg.connect(owner_url) as connection:
        rows = connection.execute(
            f"select {columns} from risk_activity where hashtext(payment_id::text) % 500 = 0"
            " limit 2000"
        ).fetchall()
    made = []
    for number, (customer, card, vpa, device, ip, merchant, amount) in enumerate(rows):
        new = number % 10 == 0
        instrument = f"new {number}" if new else card or vpa
        made.append(
            RiskInput(
                payment_id=ids.derived(str(number)),
                at=until + timedelta(milliseconds=number),
                amount_minor=amount,
                currency="INR",
                method="card" if card else "upi",
                merchant_id=merchant,
                instrument=instrument,
                customer_key=f"new {number}" if new else customer,
                device_key=f"new {number}" if new else device,
                ip_key=ip,
                livemode=False,
            )
        )
    return made
