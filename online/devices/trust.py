"""How far a device is trusted: points that sum to a score. Pure.

Trust is told, and the lack of it adds to a payment's risk. It never takes risk away, and the
learned features do not see it.
"""

from datetime import date, datetime
from typing import Final, Literal
from uuid import UUID

import msgspec

from online.devices.domain import Device, Status
from online.devices.rules import Levels, RiskPoints, TrustScale
from online.kernel.clock import business_date

Level = Literal["none", "low", "medium", "high"]

MAX_SCORE: Final = 1000
_REFUSED: Final = {
    Status.PENDING: "Nothing is proved yet",
    Status.SUSPENDED: "The device is suspended",
    Status.REVOKED: "The device is revoked",
}


class Use(msgspec.Struct, frozen=True):
    """Payments that named the device in the last 30 days, and by how many customers in 7."""

    payments_30d: int
    customers_7d: int


class Part(msgspec.Struct, frozen=True):
    """One reason for the score and what it contributes."""

    code: str
    description: str
    points: int


class Trust(msgspec.Struct, frozen=True, kw_only=True):
    """The score is the sum of its parts."""

    state: Status
    score: int
    level: Level
    parts: tuple[Part, ...]
    scale_version: int


class PaymentByDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A payment as far as its device is concerned. `spent_minor` is the customer's last day."""

    merchant_id: UUID
    device_id: str
    customer_id: str | None
    amount_minor: int
    spent_minor: int
    use: Use
    at: datetime


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What risk learns of the device that a payment names, if it was ever linked."""

    reference: str
    trust: Trust
    reasons: tuple[Part, ...]


def trust(device: Device, use: Use, scale: TrustScale, now: datetime) -> Trust:
    """The score of a device as of `now`."""
    state = device.state_at(now)
    why_not = _REFUSED.get(state)
    if why_not is not None:
        parts = [Part(state.value, why_not, 0)]
    else:
        parts = _limited(_earned(device, use, scale, business_date(now)), state, scale)
    score = sum(part.points for part in parts)
    return Trust(
        state=state,
        score=score,
        level=level_of(score, scale.levels),
        parts=tuple(parts),
        scale_version=scale.version,
    )


def _earned(device: Device, use: Use, scale: TrustScale, today: date) -> list[Part]:
    days = (today - business_date(device.verified_at)).days if device.verified_at else 0
    others = max(0, use.customers_7d - 1)
    parts = [
        Part("possession", "The device holds the private key it was linked with", scale.possession),
        Part("sim", "A SIM is part of the binding", scale.sim if device.sim_hash else 0),
        Part("age", "Days since the proof", min(scale.days_at_most, scale.per_day * days)),
        Part(
            "use",
            "Payments in the last 30 days",
            min(scale.payments_at_most, scale.per_payment * use.payments_30d),
        ),
        Part(
            "other_customers",
            "Other customers who used it within 7 days",
            -scale.per_other_customer * others,
        ),
    ]
    return [part for part in parts if part.points]


def _limited(parts: list[Part], state: Status, scale: TrustScale) -> list[Part]:
    """Adds what keeps the sum within its bounds."""
    most = scale.cooling_at_most if state is Status.COOLING else MAX_SCORE
    total = sum(part.points for part in parts)
    within = min(max(total, 0), most)
    if within == total:
        return parts
    why = "A device that cools is trusted little" if most < MAX_SCORE else "The scale ends here"
    return [*parts, Part("limited", why, within - total)]


def level_of(score: int, levels: Levels) -> Level:
    if score >= levels.high:
        return "high"
    if score >= levels.medium:
        return "medium"
    return "low" if score >= levels.low else "none"


def reasons(
    state: Status, payment: PaymentByDevice, points: RiskPoints, *, own: bool, cooling_minor: int
) -> tuple[Part, ...]:
    """What the device adds to the payment's risk; `own`: it is bound to the payment's customer."""
    found = []
    if state is Status.SUSPENDED:
        found.append(Part("device_suspended", "The device is suspended", points.suspended))
    if state is Status.REVOKED:
        found.append(Part("device_revoked", "The device was revoked", points.revoked))
    if not own:
        why = "The device is bound to another customer"
        found.append(Part("device_of_other_customer", why, points.other_customer))
    over = payment.amount_minor + payment.spent_minor > cooling_minor
    if state is Status.COOLING and over:
        why = "More in a day than a newly linked device is trusted with"
        found.append(Part("device_cooling_over_amount", why, points.cooling_over_amount))
    return tuple(part for part in found if part.points)
