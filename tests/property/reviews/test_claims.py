"""Any sequence of claims, releases, notes and decisions by several people, against a model that
knows nothing of events: a dictionary of who has what until when."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from online.kernel.errors import Conflict
from online.kernel.events import Event
from online.reviews.domain import Review, Reviewer, apply, claim, decide, release
from tests.builders import AT, occurred
from tests.unit.reviews.test_domain import LEASE, NOTED, OPENED

PEOPLE = [Reviewer("asha"), Reviewer("ravi"), Reviewer("meera", leads=True)]


@dataclass
class Model:
    """What should be so, in plain words."""

    has: str | None = None
    until: datetime = AT
    outcome: str | None = None

    def holder(self, now: datetime) -> str | None:
        return self.has if now < self.until else None

    def claim(self, who: Reviewer, now: datetime) -> bool:
        if self.outcome or self.holder(now) not in (None, who.actor):
            return False
        self.has, self.until = who.actor, now + LEASE
        return True

    def release(self, who: Reviewer, now: datetime) -> bool:
        holder = self.holder(now)
        if self.outcome or holder is None or not (who.leads or holder == who.actor):
            return False
        self.has = None
        return True

    def decide(self, who: Reviewer, now: datetime, outcome: str) -> bool:
        if self.outcome:
            return self.outcome == outcome
        if not (who.leads or self.holder(now) == who.actor):
            return False
        self.has, self.outcome = who.actor, outcome
        return True


moves = st.tuples(
    st.sampled_from(["claim", "release", "note", "fraud", "good"]),
    st.sampled_from(PEOPLE),
    # On the edge of a lease as often as inside and outside.
    st.sampled_from([timedelta(), timedelta(minutes=7), LEASE - timedelta(microseconds=1), LEASE]),
)


def _event(move: str, review: Review, who: Reviewer, now: datetime) -> Event | None:
    match move:
        case "claim":
            return claim(review, who, now, LEASE)
        case "release":
            return release(review, who, now)
        case "note":
            return NOTED
        case outcome:
            return decide(review, who, now, outcome, "it is")  # type: ignore[arg-type]


@given(st.lists(moves, max_size=30))
def test_people_get_what_the_model_says(steps):
    model, now = Model(), AT
    review = apply(None, occurred(OPENED))
    versions = [review.version]
    for move, who, passed in steps:
        now += passed
        allowed = {
            "claim": lambda: model.claim(who, now),  # noqa: B023 - called at once
            "release": lambda: model.release(who, now),  # noqa: B023
            "note": lambda: True,
        }.get(move, lambda: model.decide(who, now, move))()  # noqa: B023
        try:
            event = _event(move, review, who, now)
        except Conflict:
            assert not allowed, (move, who, review)
            continue
        assert allowed, (move, who, review)
        if event is not None:
            review = apply(review, occurred(event, version=review.version + 1))
            versions.append(review.version)
        assert review.outcome == model.outcome
        if not review.outcome:
            assert review.holder(now) == model.holder(now)
        decided = review.outcome is not None
        assert review.standing(now) == (
            "decided" if decided else "claimed" if model.holder(now) else "open"
        )
    assert versions == sorted(set(versions))
