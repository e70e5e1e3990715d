"""`/api/v1/idempotency-keys/{key}`."""

from datetime import datetime
from typing import Annotated, Any, Final
from urllib.parse import unquote

from litestar import Request, Router, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Meta, Raw, Struct

from online.calls.domain import Call, Status
from online.calls.service import Calls
from online.platform.idempotency import key_text
from online.security.domain import Principal, allow

_PATH: Final = "/idempotency-keys/"
# What a resource is called, and the scope that reads it: an answer shows what the resource shows.
_RESOURCES: Final = {
    "pay": ("payment", "payments:read"),
    "pi": ("intent", "intents:read"),
    "rfd": ("refund", "refunds:read"),
    "dsp": ("dispute", "disputes:read"),
}

Sha256 = Annotated[str, Meta(description="hex, of the body as it was sent")]


class ResourceView(Struct, frozen=True, kw_only=True):
    type: str
    id: str


class ResponseView(Struct, frozen=True, kw_only=True):
    """The stored answer. `body` is null for credentials that may not read such a resource."""

    status: int
    sha256: Sha256
    body: Any


class CallView(Struct, frozen=True, kw_only=True):
    """`done` without a response: no final answer was stored, the resource says how it went."""

    key: str
    status: str
    resource: ResourceView | None
    response: ResponseView | None
    livemode: bool
    created_at: datetime
    expires_at: datetime


def _view(call: Call, status: Status, scopes: frozenset[str]) -> CallView:
    name, scope = _RESOURCES.get(call.resource_type or "", (call.resource_type or "", ""))
    response = None
    if call.status is not None:
        shown = Raw(call.body) if call.body and scope in scopes else None
        response = ResponseView(status=call.status, sha256=call.body_sha256, body=shown)
    return CallView(
        key=call.key,
        status=status,
        resource=ResourceView(type=name, id=call.resource) if call.resource else None,
        response=response,
        livemode=call.livemode,
        created_at=call.created_at,
        expires_at=call.expires_at,
    )


def _key_of(request: Request[Any, Any, Any]) -> str:
    """The key as it was sent: a router would take its encoded slashes for parts of the path."""
    raw = request.scope["raw_path"].partition(b"?")[0].decode("ascii", "replace")
    return key_text(unquote(raw.partition(_PATH)[2], errors="replace"))


@get(
    _PATH + "{key:path}",
    summary="What became of a call",
    description="For a call whose answer was lost, by its `Idempotency-Key` (percent-encoded). "
    "404: nothing was done under this key, or more than a day ago. Calls that were refused before "
    "anything was done leave no key.",
    tags=["idempotency"],
    opt=allow("payments:read", "intents:read", "refunds:read"),
)
async def read_call(
    request: Request[Any, Any, Any],
    key: FromPath[str],  # noqa: ARG001 - named for the documentation
    principal: NamedDependency[Principal],
    calls: NamedDependency[Calls],
) -> CallView:
    call, status = await calls.find(principal.merchant, _key_of(request))
    return _view(call, status, principal.scopes)


router = Router("/api/v1", route_handlers=[read_call])
