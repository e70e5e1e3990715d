"""A beneficiary's states: whose account it is, and from when money may go there. Pure.

`edition` counts the accounts that it has had. A payout names the edition it goes to and is refused
once that one is over, so that a change and a payout that race are never told apart by luck.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.events import Event, Occurred
from online.kernel.transitions import next_status

Kind = Literal["bank_account", "vpa"]


class Status(StrEnum):
    PENDING = "pending"  # nobody has said yet whose account it is
    VERIFIED = "verified"
    COOLING = "cooling"
    USABLE = "usable"
    REJECTED = "rejected"  # no such account, or somebody else's
    DISABLED = "disabled"


S = Status
_ALIVE: Final = (S.PENDING, S.VERIFIED, S.COOLING, S.USABLE, S.REJECTED)
TRANSITIONS: Final[Mapping[tuple[Status | None, type[Event]], Status]] = {
    (None, ev.BeneficiaryAdded): S.PENDING,
    (S.PENDING, ev.BeneficiaryCheckSent): S.PENDING,
    (S.PENDING, ev.BeneficiaryVerified): S.VERIFIED,
    (S.PENDING, ev.BeneficiaryRejected): S.REJECTED,
    (S.VERIFIED, ev.BeneficiaryCoolingBegan): S.COOLING,
    (S.COOLING, ev.BeneficiaryActivated): S.USABLE,
    **{(status, ev.BeneficiaryChanged): S.PENDING for status in _ALIVE},
    **{(status, ev.BeneficiaryDisabled): S.DISABLED for status in _ALIVE},
}


class Beneficiary(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `payout_beneficiaries`."""

    id: UUID
    merchant_id: UUID
    kind: Kind
    status: Status
    edition: int
    sealed_id: UUID
    mask: str
    name_mask: str
    fingerprint: str
    ifsc: str | None
    verification: str
    attempt_id: UUID | None
    name_score: int | None
    code: str | None
    usable_from: datetime | None
    version: int
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @property
    def reference(self) -> str:
        return ids.encode("bnf", self.id)

    @property
    def subject(self) -> str:
        """What a payout's guard names: the account of this edition."""
        return subject_of(self.id, self.edition)

    def is_usable(self, now: datetime) -> bool:
        """Cooling ends by itself, whether the worker has said so yet or not."""
        waited = self.usable_from is not None and self.usable_from <= now
        return self.status is S.USABLE or (self.status is S.COOLING and waited)


def subject_of(beneficiary_id: UUID, edition: int) -> str:
    return f"{ids.encode('bnf', beneficiary_id)}:{edition}"


def apply(state: Beneficiary | None, occurred: Occurred) -> Beneficiary:
    """The one fold from events to the row."""
    event = occurred.event
    status = next_status(TRANSITIONS, state.status if state else None, event)
    if isinstance(event, ev.BeneficiaryAdded):
        return Beneficiary(
            id=occurred.aggregate_id,
            merchant_id=occurred.merchant_id,
            status=status,
            edition=1,
            version=occurred.version,
            livemode=occurred.livemode,
            created_at=occurred.at,
            updated_at=occurred.at,
            **_account(event),
        )
    assert state is not None
    return msgspec.structs.replace(
        state,
        status=status,
        version=occurred.version,
        updated_at=occurred.at,
        **_changes(state, event),
    )


def _account(event: ev.BeneficiaryAdded | ev.BeneficiaryChanged) -> dict[str, Any]:
    """What is known of an account before anybody was asked about it."""
    return {
        "kind": event.kind,
        "sealed_id": UUID(event.sealed_id),
        "mask": event.mask,
        "name_mask": event.name_mask,
        "fingerprint": event.fingerprint,
        "ifsc": event.ifsc,
        "verification": event.verification,
        "attempt_id": None,
        "name_score": None,
        "code": None,
        "usable_from": None,
    }


def _changes(state: Beneficiary, event: Event) -> dict[str, Any]:
    match event:
        case ev.BeneficiaryChanged():
            return {**_account(event), "edition": state.edition + 1}
        case ev.BeneficiaryCheckSent():
            return {"attempt_id": ids.decode("att", event.attempt_id)}
        case ev.BeneficiaryVerified():
            return {"name_score": event.name_score, "code": None}
        case ev.BeneficiaryRejected():
            return {"name_score": event.name_score, "code": event.code}
        case ev.BeneficiaryCoolingBegan():
            return {"usable_from": event.usable_from}
        case ev.BeneficiaryDisabled():
            return {"code": event.reason}
        case _:
            return {}
