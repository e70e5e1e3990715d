"""What the API shows of beneficiaries and payouts, and what it takes in."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from online.kernel import ids
from online.payouts.accounts import Named
from online.payouts.beneficiary import Beneficiary
from online.payouts.domain import Payout
from online.platform.wire import AmountMinor, WireStruct, id_of

HolderName = Annotated[
    str, Meta(pattern=r"^[^\x00-\x1f\x7f-\x9f]{1,100}\Z", description="as the bank has it")
]
AccountNumber = Annotated[str, Meta(pattern=r"^[0-9A-Z]{6,34}\Z")]
Ifsc = Annotated[str, Meta(pattern=r"^[A-Z]{4}0[A-Z0-9]{6}\Z")]
Vpa = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9]{1,63}\Z", max_length=255)
]


class NameBeneficiary(WireStruct, frozen=True, kw_only=True):
    """An `account` with its `ifsc`, or a `vpa`."""

    name: HolderName
    account: AccountNumber | None = None
    ifsc: Ifsc | None = None
    vpa: Vpa | None = None

    def __repr__(self) -> str:
        return "NameBeneficiary(…)"

    def named(self) -> Named:
        return Named(name=self.name, account=self.account, ifsc=self.ifsc, vpa=self.vpa)


class Nothing(WireStruct, frozen=True, kw_only=True):
    """No fields: everything is in the path."""


class OrderPayout(WireStruct, frozen=True, kw_only=True):
    """Without a `mode` the quickest that takes the amount; with `scheduled_at` it waits for its
    time, and the money has to be there then."""

    beneficiary: Annotated[str, id_of("bnf")]
    amount: AmountMinor
    purpose: Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\Z")] = "payout"
    mode: Literal["upi", "imps", "neft", "rtgs"] | None = None
    reference: Annotated[str, Meta(pattern=r"^[ -~]{1,64}\Z")] | None = None
    scheduled_at: Annotated[datetime, Meta(tz=True)] | None = None


class BeneficiaryView(Struct, frozen=True, kw_only=True):
    """`account_masked` and `name_masked` are all that can be shown. `name_score`: 0 to 100, how
    far the bank's name is the one that was given. Money may go there from `usable_from` on."""

    id: str
    type: str
    status: str
    account_masked: str
    name_masked: str
    ifsc: str | None
    fingerprint: str
    edition: int
    verification: str
    name_score: int | None
    failure_code: str | None
    usable_from: datetime | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, beneficiary: Beneficiary) -> "BeneficiaryView":
        return cls(
            id=beneficiary.reference,
            type=beneficiary.kind,
            status=beneficiary.status,
            account_masked=beneficiary.mask,
            name_masked=beneficiary.name_mask,
            ifsc=beneficiary.ifsc,
            fingerprint=beneficiary.fingerprint,
            edition=beneficiary.edition,
            verification=beneficiary.verification,
            name_score=beneficiary.name_score,
            failure_code=beneficiary.code,
            usable_from=beneficiary.usable_from,
            livemode=beneficiary.livemode,
            created_at=beneficiary.created_at,
            updated_at=beneficiary.updated_at,
        )


class BeneficiaryList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/payout-beneficiaries"
    has_more: bool
    data: list[BeneficiaryView]


class PayoutView(Struct, frozen=True, kw_only=True):
    """Amount in minor units of `currency`. `utr` is the bank's number of it: 12 digits by UPI and
    IMPS, 16 characters by NEFT, 22 by RTGS. `purpose_code` is UPI's."""

    id: str
    beneficiary: str
    account_masked: str
    amount: int
    currency: str
    status: str
    mode: str
    purpose: str
    purpose_code: str | None
    reference: str | None
    scheduled_at: datetime | None
    attempt_id: str | None
    utr: str | None
    failure_code: str | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, payout: Payout) -> "PayoutView":
        attempt = payout.attempt_id
        return cls(
            id=payout.payout_id,
            beneficiary=ids.encode("bnf", payout.beneficiary_id),
            account_masked=payout.mask,
            amount=payout.amount_minor,
            currency=payout.currency,
            status=payout.status,
            mode=payout.mode,
            purpose=payout.purpose,
            purpose_code=payout.purpose_code,
            reference=payout.reference,
            scheduled_at=payout.scheduled_at,
            attempt_id=ids.encode("att", attempt) if attempt else None,
            utr=payout.utr,
            failure_code=payout.code,
            livemode=payout.livemode,
            created_at=payout.created_at,
            updated_at=payout.updated_at,
        )


class PayoutList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/payouts"
    has_more: bool
    data: list[PayoutView]
