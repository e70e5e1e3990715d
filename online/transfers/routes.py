"""`/api/v1/transfers`."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.payments.methods import Vpa
from online.payments.orders import BUSY
from online.payments.views import RiskView, refusal_of, risk_view
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, IdFilter, Limit, window
from online.platform.openapi_page import problems
from online.platform.wire import AmountMinor, IpAddress, WireStruct, id_of
from online.rails.domain import Outcome
from online.rails.upi_ids import transaction_id
from online.security.domain import Principal, allow
from online.transfers.domain import OVER, Status, Transfer
from online.transfers.orders import Order, Side
from online.transfers.service import Call, Transfers
from online.transfers.store import Filters
from online.vault.service import Vault

Alias = Annotated[str, id_of("tok")]
HandleId = Annotated[str, id_of("hdl")]
CustomerId = Annotated[str, id_of("cus")]
# The payee's bank shows it, and statements carry it: what no bank's file can hold is refused.
Note = Annotated[str, Meta(pattern=r"^[A-Za-z0-9 .,:/()&'-]{0,50}\Z")]


class Payer(WireStruct, frozen=True, kw_only=True):
    """Who sends, and from which account: its VPA, or the alias of a handle of theirs."""

    customer_id: CustomerId
    vpa: Vpa | UnsetType = UNSET
    handle: Alias | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Payer(customer_id={self.customer_id!r})"


class Payee(WireStruct, frozen=True, kw_only=True):
    """Who receives: a VPA, a handle by its id, or a customer of yours by their newest handle."""

    vpa: Vpa | UnsetType = UNSET
    handle: HandleId | UnsetType = UNSET
    customer_id: CustomerId | UnsetType = UNSET

    def __repr__(self) -> str:
        return "Payee()"


class CreateTransfer(WireStruct, frozen=True, kw_only=True):
    """`note` is passed on to the payee's bank and kept nowhere."""

    payer: Payer = msgspec.field(name="from")
    payee: Payee = msgspec.field(name="to")
    amount: AmountMinor
    device_id: Annotated[str, Meta(min_length=1, max_length=100)]
    currency: Literal["INR"] = "INR"
    note: Note = ""
    priority: Literal["cost", "speed", "reliability", "balanced"] = "balanced"
    ip_address: IpAddress | None = None


class CancelTransfer(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class PayerView(Struct, frozen=True, kw_only=True):
    customer_id: str
    vpa_masked: str
    handle: str | None


class PayeeView(Struct, frozen=True, kw_only=True):
    customer_id: str | None
    vpa_masked: str
    handle: str | None


class TransferView(Struct, frozen=True, kw_only=True):
    """`deemed`: the payer is debited, and by `credit_due_by` the payee is credited or the money is
    back (`returned`). `late`: the bank had done it after it counted as failed or canceled.
    """

    id: str
    payer: PayerView = msgspec.field(name="from")
    payee: PayeeView = msgspec.field(name="to")
    amount: int
    currency: str
    status: str
    device_id: str
    rail: str | None
    rail_reference: str | None
    upi_transaction_id: str | None
    credit_due_by: datetime | None
    late: bool
    risk: RiskView | None
    last_error: dict[str, Any] | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, transfer: Transfer) -> "TransferView":
        return cls(
            id=transfer.reference,
            payer=PayerView(
                customer_id=ids.encode("cus", transfer.customer_id),
                vpa_masked=transfer.payer_mask,
                handle=_optional("hdl", transfer.payer_handle),
            ),
            payee=PayeeView(
                customer_id=_optional("cus", transfer.payee_customer_id),
                vpa_masked=transfer.payee_mask,
                handle=_optional("hdl", transfer.payee_handle),
            ),
            amount=transfer.amount_minor,
            currency=transfer.currency,
            status=transfer.status,
            device_id=transfer.device_id,
            rail=transfer.rail,
            rail_reference=transfer.rail_reference,
            upi_transaction_id=transaction_id(transfer.attempt_id) if transfer.attempt_id else None,
            credit_due_by=transfer.due_at,
            late=transfer.late,
            risk=risk_view(transfer.risk),
            last_error=transfer.last_error,
            livemode=transfer.livemode,
            created_at=transfer.created_at,
            updated_at=transfer.updated_at,
        )


class TransferList(Struct, frozen=True, kw_only=True):
    """Newest first; `starting_after` the last id shows what comes next."""

    object: Literal["list"] = "list"
    url: str = "/api/v1/transfers"
    has_more: bool
    data: list[TransferView]


def _optional(prefix: str, id_: UUID | None) -> str | None:
    return ids.encode(prefix, id_) if id_ else None


def _shown(transfer: Transfer, done: int) -> Answer:
    """`done` once the outcome is known; 202 while it is not."""
    status = done if transfer.status in OVER else 202
    return Answer(status, msgspec.json.encode(TransferView.of(transfer)))


def _sent(transfer: Transfer, _: Outcome | None) -> Answer:
    return _shown(transfer, 201)


def _canceled(
    request: Request[Any, Any, Any], transfer: Transfer, outcome: Outcome | None
) -> Answer:
    """A cancellation that the rail refused is no success: the payer may have said yes."""
    return refusal_of(request, outcome) or _shown(transfer, 200)


class _Presenter:
    """What a repeated key learns about a transfer whose first call has no stored answer."""

    def __init__(
        self, transfers: Transfers, merchant_id: UUID, now: datetime, *, done: int
    ) -> None:
        self._transfers = transfers
        self._merchant_id = merchant_id
        self._now = now
        self._done = done

    async def __call__(self, transfer_id: UUID) -> Present:
        # In this order: what is not at the rail any more shows what became of it.
        at_the_rail = await self._transfers.at_the_rail(transfer_id)
        transfer = await self._transfers.get(transfer_id, self._merchant_id)
        busy = at_the_rail and self._now - transfer.updated_at < BUSY
        return Present(_shown(transfer, self._done), busy)


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


def _order(data: CreateTransfer, principal: Principal, vault: Vault) -> Order:
    payee = data.payee
    customer = ids.decode("cus", payee.customer_id) if payee.customer_id else None
    return Order(
        merchant_id=principal.merchant,
        livemode=principal.livemode,
        payer_id=ids.decode("cus", data.payer.customer_id),
        payer=Side(vpa=data.payer.vpa or None, handle=data.payer.handle or None),
        payee=Side(vpa=payee.vpa or None, handle=payee.handle or None, customer_id=customer),
        amount_minor=data.amount,
        currency=data.currency,
        device_id=data.device_id,
        note=data.note,
        priority=data.priority,
        ip_hash=vault.ip_hash(data.ip_address) if data.ip_address else None,
    )


@post(
    "/transfers",
    status_code=201,
    summary="Send money from one person to another by UPI",
    description="From a customer of yours to any VPA, by the customer's own bank account: none of "
    "it passes through yours. Counts against the payer's limits of P2P, amount and number a day; "
    "users with minimum KYC may not. 202: the outcome is not known yet, the payer has still to say "
    "yes in their app, or it is `deemed`; read the transfer, do not send it again. There is no "
    "collect between people.",
    tags=["transfers"],
    opt=allow("transfers:write", signed=True)
    | problems("not_found", "not_for_this_user", "limit_exceeded", "route_unavailable"),
)
async def create_transfer(
    request: Request[Any, Any, Any],
    data: JSONBody[CreateTransfer],
    principal: NamedDependency[Principal],
    transfers: NamedDependency[Transfers],
    vault: NamedDependency[Vault],
    clock: NamedDependency[Clock],
) -> Response[TransferView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    order = _order(data, principal, vault)

    async def act() -> Answer:
        call = Call(key=key, render=_sent)
        return (await transfers.create(order, call, _metadata(request, principal)))[1]

    present = _Presenter(transfers, principal.merchant, clock.now(), done=201)
    return respond(await once(act, present, key.request_hash))


@get(
    "/transfers/{transfer_id:str}",
    summary="A transfer",
    tags=["transfers"],
    opt=allow("transfers:read"),
)
async def read_transfer(
    transfer_id: FromPath[str],
    principal: NamedDependency[Principal],
    transfers: NamedDependency[Transfers],
) -> Response[TransferView]:
    transfer = await transfers.get(ids.decode("trf", transfer_id), principal.merchant)
    return Response(TransferView.of(transfer), headers=etag(transfer.version))


@get(
    "/transfers",
    summary="Transfers, newest first",
    tags=["transfers"],
    opt=allow("transfers:read"),
)
async def list_transfers(
    principal: NamedDependency[Principal],
    transfers: NamedDependency[Transfers],
    limit: Limit = 10,
    starting_after: Cursor = None,
    customer_id: IdFilter = None,
    status: FromQuery[Status | None] = None,
) -> TransferList:
    customer = ids.decode("cus", customer_id) if customer_id else None
    asked = window("trf", limit, starting_after)
    filters = Filters(customer_id=customer, status=status)
    found, more = await transfers.page(principal.merchant, filters, asked)
    return TransferList(has_more=more, data=[TransferView.of(each) for each in found])


@post(
    "/transfers/{transfer_id:str}/cancel",
    status_code=200,
    summary="Call off a transfer that waits for the payer",
    description="402 where the rail refuses: the payer may have said yes meanwhile. 202: the "
    "outcome is not known yet; read the transfer.",
    tags=["transfers"],
    opt=allow("transfers:write", signed=True) | problems("not_found", "illegal_state"),
)
async def cancel_transfer(
    request: Request[Any, Any, Any],
    transfer_id: FromPath[str],
    data: JSONBody[CancelTransfer],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    transfers: NamedDependency[Transfers],
    clock: NamedDependency[Clock],
) -> Response[TransferView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    id_ = ids.decode("trf", transfer_id)

    async def act() -> Answer:
        call = Call(key=key, render=partial(_canceled, request))
        metadata = _metadata(request, principal)
        return (await transfers.cancel(id_, principal.merchant, call, metadata))[1]

    present = _Presenter(transfers, principal.merchant, clock.now(), done=200)
    return respond(await once(act, present, key.request_hash))


router = Router(
    "/api/v1",
    route_handlers=[create_transfer, read_transfer, list_transfers, cancel_transfer],
)
