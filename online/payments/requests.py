"""What a rail is told of an operation that follows an authorization."""

from typing import TypeVar

from online.attempts.domain import Attempt
from online.kernel import ids
from online.rails.domain import (
    CaptureRequest,
    ExtendRequest,
    ReleaseRequest,
    ReverseRequest,
    VoidRequest,
)

_Following = CaptureRequest | VoidRequest | ReleaseRequest | ExtendRequest | ReverseRequest
FollowingT = TypeVar("FollowingT", bound=_Following)


def request_of(kind: type[FollowingT], attempt: Attempt) -> FollowingT:
    assert attempt.original_id is not None  # by `TwoCommits`
    return kind(
        reference=attempt.reference,
        original_reference=ids.encode("att", attempt.original_id),
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
    )
