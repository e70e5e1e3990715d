"""`/api/v1/wallets` and `/api/v1/top-ups`."""

from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.platform.calls import etag, key_of, respond
from online.platform.http import request_id_of
from online.platform.idempotency import Answer, Present, once
from online.platform.lists import Cursor, Limit, window
from online.platform.openapi_page import problems
from online.platform.wire import AmountMinor, WireStruct, id_of
from online.security.domain import Principal, allow
from online.wallets.orders import TopUpCall, TopUpOrder
from online.wallets.service import Call, Standing, Wallets
from online.wallets.top_up import TopUp
from online.wallets.top_ups import BUSY, TopUps
from online.wallets.views import MovementList, TopUpList, TopUpView, WalletView

CustomerId = Annotated[str, id_of("cus")]
Vpa = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9]{1,63}\Z")]


class OpenWallet(WireStruct, frozen=True, kw_only=True):
    """`lite`: small value beside a bank account, for every user. `ppi`: a prepaid payment
    instrument, for users with at least minimum KYC; how much it may hold follows their KYC."""

    customer_id: CustomerId
    kind: Literal["lite", "ppi"] = "lite"


class CreateTopUp(WireStruct, frozen=True, kw_only=True):
    """`intent`: a link for the payer's app; `qr`: the same to scan. A VPA, where it is known,
    sends the request straight to the payer's app."""

    amount: AmountMinor
    flow: Literal["intent", "qr"] = "intent"
    vpa: Vpa | None = None

    def __repr__(self) -> str:
        return f"CreateTopUp(amount={self.amount})"


class CloseWallet(WireStruct, frozen=True, kw_only=True):
    """No fields."""


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


def _loaded(top_up: TopUp) -> Answer:
    """A decline is a top-up too: one that failed. 202 while its outcome is not known."""
    open_ = top_up.status in {"processing", "unknown"}
    return Answer(202 if open_ else 201, msgspec.json.encode(TopUpView.of(top_up)))


def _closed(standing: Standing) -> Answer:
    return Answer(200, msgspec.json.encode(WalletView.of(standing)))


def _shown(standing: Standing, status: int = 200) -> Response[WalletView]:
    headers = etag(standing.wallet.version)
    return Response(WalletView.of(standing), headers=headers, status_code=status)


@post(
    "/wallets",
    status_code=201,
    summary="Open a customer's wallet",
    description="Each customer has one at most. One that is open stays as it is, one that was"
    " closed is opened again.",
    tags=["wallets"],
    opt=allow("wallets:write") | problems("not_for_this_user", "conflict", "not_found"),
)
async def open_wallet(
    request: Request[Any, Any, Any],
    data: JSONBody[OpenWallet],
    principal: NamedDependency[Principal],
    wallets: NamedDependency[Wallets],
) -> Response[WalletView]:
    customer_id = ids.decode("cus", data.customer_id)
    metadata = _metadata(request, principal)
    standing = await wallets.open(customer_id, principal.merchant, data.kind, metadata)
    return _shown(standing, status=201)


@get(
    "/wallets/{customer_id:str}",
    summary="A customer's wallet, with what it holds",
    tags=["wallets"],
    opt=allow("wallets:read", "wallets:write"),
)
async def read_wallet(
    customer_id: FromPath[str],
    principal: NamedDependency[Principal],
    wallets: NamedDependency[Wallets],
) -> Response[WalletView]:
    return _shown(await wallets.standing(ids.decode("cus", customer_id), principal.merchant))


@get(
    "/wallets/{customer_id:str}/history",
    summary="What moved the money of a wallet",
    description="Newest first: top-ups, payments, refunds, what went back when it was closed.",
    tags=["wallets"],
    opt=allow("wallets:read", "wallets:write"),
)
async def read_history(
    customer_id: FromPath[str],
    principal: NamedDependency[Principal],
    wallets: NamedDependency[Wallets],
    limit: Limit = 10,
    starting_after: Cursor = None,
) -> MovementList:
    asked = window("ent", limit, starting_after)
    id_ = ids.decode("cus", customer_id)
    return MovementList.of(await wallets.history(id_, principal.merchant, asked))


@post(
    "/wallets/{customer_id:str}/top-ups",
    status_code=201,
    summary="Load money into a wallet",
    description="Asks the payer's bank, as a payment does, with their PIN. 202: the outcome is not"
    " known yet; read the top-up, do not ask again. From the first moment on the amount counts"
    " against the wallet's ceiling and the caps of its month and financial year.",
    tags=["wallets"],
    opt=allow("wallets:write", signed=True)
    | problems("limit_exceeded", "wallet_closed", "not_for_this_user", "not_found"),
)
async def create_top_up(
    request: Request[Any, Any, Any],
    customer_id: FromPath[str],
    data: JSONBody[CreateTopUp],
    principal: NamedDependency[Principal],
    top_ups: NamedDependency[TopUps],
    clock: NamedDependency[Clock],
) -> Response[TopUpView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    order = TopUpOrder(
        customer_id=ids.decode("cus", customer_id),
        merchant_id=principal.merchant,
        amount_minor=data.amount,
        flow=data.flow,
        vpa=data.vpa,
    )

    async def act() -> Answer:
        call = TopUpCall(key=key, render=_loaded)
        return _loaded(await top_ups.create(order, call, _metadata(request, principal)))

    async def present(top_up_id: UUID) -> Present:
        top_up = await top_ups.get(top_up_id, principal.merchant)
        at_rail = top_up.status == "processing" and clock.now() - top_up.updated_at < BUSY
        return Present(_loaded(top_up), at_rail)

    return respond(await once(act, present, key.request_hash))


@get(
    "/wallets/{customer_id:str}/top-ups",
    summary="Top-ups of a wallet, newest first",
    tags=["wallets"],
    opt=allow("wallets:read", "wallets:write"),
)
async def list_top_ups(
    customer_id: FromPath[str],
    principal: NamedDependency[Principal],
    top_ups: NamedDependency[TopUps],
    limit: Limit = 10,
    starting_after: Cursor = None,
) -> TopUpList:
    asked = window("top", limit, starting_after)
    found, more = await top_ups.page(ids.decode("cus", customer_id), principal.merchant, asked)
    return TopUpList(has_more=more, data=[TopUpView.of(each) for each in found])


@get(
    "/top-ups/{top_up_id:str}",
    summary="A top-up",
    tags=["wallets"],
    opt=allow("wallets:read", "wallets:write"),
)
async def read_top_up(
    top_up_id: FromPath[str],
    principal: NamedDependency[Principal],
    top_ups: NamedDependency[TopUps],
) -> Response[TopUpView]:
    top_up = await top_ups.get(ids.decode("top", top_up_id), principal.merchant)
    return Response(TopUpView.of(top_up), headers=etag(top_up.version))


@post(
    "/wallets/{customer_id:str}/close",
    status_code=200,
    summary="Close a wallet",
    description="At once: nothing is paid from it or loaded into it any more. What is in it goes"
    " back to the accounts it was loaded from (UPI purpose 43), as does what comes in later: a"
    " refund, or a top-up that was under way.",
    tags=["wallets"],
    opt=allow("wallets:write", signed=True) | problems("wallet_closed", "not_found"),
)
async def close_wallet(
    request: Request[Any, Any, Any],
    customer_id: FromPath[str],
    data: JSONBody[CloseWallet],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    wallets: NamedDependency[Wallets],
    clock: NamedDependency[Clock],
) -> Response[WalletView]:
    key = await key_of(request, (principal.merchant, principal.livemode), clock.now())
    id_ = ids.decode("cus", customer_id)
    act = partial(
        wallets.close,
        id_,
        principal.merchant,
        Call(key=key, render=_closed),
        _metadata(request, principal),
    )

    async def present(_: UUID) -> Present:
        return Present(_closed(await wallets.standing(id_, principal.merchant)), busy=False)

    return respond(await once(act, present, key.request_hash))


router = Router(
    "/api/v1",
    route_handlers=[
        *(open_wallet, read_wallet, read_history, close_wallet),
        *(create_top_up, list_top_ups, read_top_up),
    ],
)
