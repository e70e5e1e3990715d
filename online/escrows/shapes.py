"""Escrows as they come and go over the wire."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field, to_builtins

from online.escrows import terms
from online.escrows.domain import Escrow
from online.escrows.terms import BUYER
from online.kernel import events as ev
from online.kernel import ids
from online.platform.wire import INT64_MAX, AmountMinor, WireStruct, id_of

Role = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,29}\Z")]
MerchantId = Annotated[str, id_of("mrc")]
Instant = Annotated[datetime, Meta(tz=True)]
Words = Annotated[str, Meta(min_length=1, max_length=200)]
Whole = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Release = Literal["manual", "automatic"]
OnExpiry = Literal["release", "refund"]


class PartyTerms(WireStruct, frozen=True, kw_only=True):
    """Either `amount`, or `share_bps` of what the fixed amounts leave (10,000 are all of it)."""

    merchant: MerchantId
    role: Role
    share_bps: Annotated[int, Meta(ge=1, le=terms.WHOLE_BPS)] | None = None
    amount: AmountMinor | None = None


class ConditionTerms(WireStruct, frozen=True, kw_only=True):
    """`approval` and `delivery` name a role in `by` (`buyer`: the owner speaks for the payer);
    `date` has `at`."""

    type: Literal["approval", "date", "delivery"]
    by: Role | None = None
    at: Instant | None = None


_Some = Annotated[list[ConditionTerms], Meta(max_length=10)]


class ConditionsTerms(WireStruct, frozen=True, kw_only=True):
    """Met once every one of `all` is, and one of `any`, where there are some."""

    all: _Some = field(default_factory=list)
    any: _Some = field(default_factory=list)


class CreateEscrow(WireStruct, frozen=True, kw_only=True):
    """`payment`: whose captured money is set aside; without one it is the owner's pending balance.

    `release`: by a call, or by itself once the conditions are met. `on_expiry`: what becomes of the
    money at `expires_at`; `refund` is back to the payer, or to the owner where there is none.
    """

    amount: AmountMinor
    parties: Annotated[list[PartyTerms], Meta(min_length=1, max_length=20)]
    conditions: ConditionsTerms
    expires_at: Instant
    on_expiry: OnExpiry
    release: Release = "manual"
    payment: Annotated[str, id_of("pay")] | None = None
    currency: Literal["INR"] = "INR"
    description: Words | None = None

    def proposed(self, owner: str) -> ev.EscrowProposed:
        """Refused where the shares do not make up the amount, or a condition is nobody's."""
        parties = terms.with_shares(
            self.amount,
            [
                terms.Party(
                    merchant_id=party.merchant,
                    role=party.role,
                    share_bps=party.share_bps,
                    amount_minor=party.amount,
                )
                for party in self.parties
            ],
        )
        conditions = terms.Conditions(
            all=tuple(_condition(each) for each in self.conditions.all),
            any=tuple(_condition(each) for each in self.conditions.any),
        )
        terms.check_conditions(conditions, parties)
        return ev.EscrowProposed(
            merchant_id=owner,
            amount=self.amount,
            currency=self.currency,
            parties=tuple(
                ev.EscrowParty(
                    merchant_id=party.merchant_id,
                    role=party.role,
                    share=party.share_minor,
                    share_bps=party.share_bps,
                    amount=party.amount_minor,
                )
                for party in parties
            ),
            conditions=to_builtins(conditions),
            release=self.release,
            on_expiry=self.on_expiry,
            expires_at=self.expires_at,
            payment_id=self.payment,
            description=self.description,
        )


def _condition(each: ConditionTerms) -> terms.Condition:
    return terms.Condition(type=each.type, by=each.by, at=each.at)


class Nothing(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class Amount(WireStruct, frozen=True, kw_only=True):
    """Without an amount, all of it."""

    amount: AmountMinor | None = None


class Delivery(WireStruct, frozen=True, kw_only=True):
    """`reference`: what the carrier or the register knows it by."""

    reference: Words


class Freeze(WireStruct, frozen=True, kw_only=True):
    reason: Words


class ShareOf(WireStruct, frozen=True, kw_only=True):
    merchant: MerchantId
    amount: Whole


class Resolution(WireStruct, frozen=True, kw_only=True):
    """`resume`: it goes on as it was agreed. `split`: all that is in it goes, `refund` to the buyer
    (the owner, where no payment stands behind it) and `shares` to parties."""

    outcome: Literal["resume", "split"]
    refund: Whole = 0
    shares: Annotated[list[ShareOf], Meta(max_length=20)] = field(default_factory=list)

    def parts(self) -> dict[str, int] | None:
        if self.outcome == "resume":
            return None
        parts = {BUYER: self.refund}
        for share in self.shares:
            parts[share.merchant] = parts.get(share.merchant, 0) + share.amount
        return parts


class PartyView(Struct, frozen=True, kw_only=True):
    """`share` in the end, `due` of what is there now, `paid` so far."""

    merchant: str
    role: str
    share_bps: int | None
    share: int
    due: int
    paid: int
    accepted_at: datetime | None


class ConditionView(Struct, frozen=True, kw_only=True):
    type: str
    by: str | None
    at: datetime | None
    met: bool


class ConditionsView(Struct, frozen=True, kw_only=True):
    all: list[ConditionView]
    any: list[ConditionView]
    met: bool


class SaidView(Struct, frozen=True, kw_only=True):
    kind: str
    role: str
    by: str
    at: datetime
    reference: str | None


class EscrowView(Struct, frozen=True, kw_only=True):
    """Amounts in minor units of `currency`. Once it is funded, `amount` is the sum of the others:
    held, released, returned to the owner, on its way back or refunded to the buyer, in dispute,
    and charged back."""

    id: str
    merchant_id: str
    payment: str | None
    status: str
    amount: int
    currency: str
    description: str | None
    parties: list[PartyView]
    conditions: ConditionsView
    said: list[SaidView]
    release: str
    on_expiry: str
    expires_at: datetime
    amount_held: int
    amount_due_to_buyer: int
    amount_released: int
    amount_returned: int
    amount_refunding: int
    amount_refunded: int
    amount_disputed: int
    amount_charged_back: int
    frozen_reason: str | None
    resolution_agreed_by: list[str]
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, escrow: Escrow, now: datetime) -> "EscrowView":
        return cls(
            id=escrow.reference,
            merchant_id=escrow.owner,
            payment=ids.encode("pay", escrow.payment_id) if escrow.payment_id else None,
            status=escrow.status,
            amount=escrow.amount_minor,
            currency=escrow.currency,
            description=escrow.description,
            parties=[_party(party) for party in escrow.parties],
            conditions=_conditions(escrow, now),
            said=[
                SaidView(kind=m.kind, role=m.role, by=m.by, at=m.at, reference=m.reference)
                for m in escrow.met
            ],
            release=escrow.release,
            on_expiry=escrow.on_expiry,
            expires_at=escrow.expires_at,
            amount_held=escrow.held_minor,
            amount_due_to_buyer=escrow.buyer_due_minor,
            amount_released=escrow.released_minor,
            amount_returned=escrow.returned_minor,
            amount_refunding=escrow.refund_open_minor,
            amount_refunded=escrow.refunded_minor,
            amount_disputed=escrow.disputed_minor,
            amount_charged_back=escrow.charged_back_minor,
            frozen_reason=escrow.frozen_reason,
            resolution_agreed_by=[each.merchant_id for each in escrow.proposals],
            livemode=escrow.livemode,
            created_at=escrow.created_at,
            updated_at=escrow.updated_at,
        )


class EscrowList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/escrows"
    has_more: bool
    data: list[EscrowView]


def _party(party: terms.Party) -> PartyView:
    return PartyView(
        merchant=party.merchant_id,
        role=party.role,
        share_bps=party.share_bps,
        share=party.share_minor,
        due=party.due_minor,
        paid=party.paid_minor,
        accepted_at=party.accepted_at,
    )


def _conditions(escrow: Escrow, now: datetime) -> ConditionsView:
    def shown(condition: terms.Condition) -> ConditionView:
        at = terms.ripe_at(terms.Conditions(all=(condition,)), escrow.met)
        met = at is not None and at <= now
        return ConditionView(type=condition.type, by=condition.by, at=condition.at, met=met)

    return ConditionsView(
        all=[shown(each) for each in escrow.conditions.all],
        any=[shown(each) for each in escrow.conditions.any],
        met=escrow.is_ripe(now),
    )
