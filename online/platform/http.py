"""HTTP in one place: statuses, problem+json, request ids, strict bodies.

Belongs here: what every route shares. Does not: a route, or a rule of a slice. Services raise
what `kernel/errors.py` names; handlers never catch; the status is decided by `PROBLEMS` alone.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from litestar import Litestar, Request, Response, Router
from litestar.config.app import AppConfig
from litestar.connection.base import AuthT, StateT, UserT
from litestar.enums import HttpMethod, ScopeType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.plugins import InitPlugin
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from msgspec import UNSET, Struct, UnsetType

from online.kernel.errors import Headroom, KhataError, Refused
from online.kernel.ids import InvalidId
from online.platform import wire
from online.platform.strict_query import query_is_known, remember_names
from online.platform.wire import FieldError

MAX_BODY_BYTES: Final = 64 * 1024
PROBLEM_JSON: Final = "application/problem+json"
ACCEPTS_FORM: Final = "accepts_form"  # opt of a handler that also reads a form body

log = structlog.get_logger("khata.http")

# code → status and title. A code that is not here takes the row of its nearest base class.
PROBLEMS: Final[Mapping[str, tuple[int, str]]] = {
    "error": (500, "Unexpected error"),
    "internal_error": (500, "Unexpected error"),
    "refused": (422, "The request was refused"),
    "malformed_body": (400, "The body cannot be read"),
    "bad_request": (400, "The request cannot be read"),
    "invalid_request": (422, "A field has a value it cannot have"),
    "unauthenticated": (401, "Valid credentials are required"),
    "signature_invalid": (401, "The request signature does not hold"),
    "refused_by_rail": (402, "The rail refused this; nothing was changed"),
    "insufficient_funds": (402, "There is not enough money"),
    "fraud_blocked": (402, "The payment was blocked by risk rules"),
    "same_person": (403, "Somebody else has to approve this"),
    "not_for_this_user": (403, "This user may not do this"),
    "forbidden": (403, "These credentials do not allow this"),
    "not_found": (404, "There is no such thing"),
    "method_not_allowed": (405, "This path does not take this method"),
    "conflict": (409, "The object is in another state"),
    "period_closed": (409, "The month is closed"),
    "period_not_over": (409, "The month is not over"),
    "period_out_of_order": (409, "Another month closes before this one"),
    "period_undecided": (409, "Something of the month has no outcome yet"),
    "wallet_closed": (409, "The wallet is closed"),
    "beneficiary_not_usable": (409, "No money goes to this beneficiary now"),
    "payouts_not_on_demand": (409, "Settlements are paid out by themselves"),
    "mandate_not_active": (409, "The mandate permits no debit now"),
    "period_taken": (409, "The period has a debit already"),
    "notice_too_late": (422, "The payer cannot be told in time"),
    "already_settled": (409, "The day of the payment is settled"),
    "not_extendable": (409, "The network keeps the money no longer"),
    "escrow_frozen": (409, "Nothing moves in this escrow until it is resolved"),
    "conditions_not_met": (409, "What the parties agreed on is not met"),
    "illegal_state": (409, "The object is in a state that does not allow this"),
    "version_conflict": (409, "The object was changed by somebody else"),
    "idempotency_in_flight": (409, "The first call with this key is still running"),
    "settlement_mismatch": (409, "The batch differs from the ledger"),
    "seal_conflict": (409, "The chain of seals goes on elsewhere"),
    "seal_mismatch": (409, "The books hold other rows than are to be sealed"),
    "nothing_in_suspense": (409, "No money of it is in suspense"),
    "owed_to_customer": (409, "The money belongs to a payer"),
    "claimed_by_another": (409, "Somebody else is working on it"),
    "not_claimed": (409, "It has to be claimed before"),
    "already_decided": (409, "It was decided otherwise"),
    "evidence_late": (409, "The time to answer has passed"),
    "challenge_expired": (409, "The challenge ran out"),
    "too_many_devices": (409, "The customer has enough devices"),
    "device_closed": (409, "The device was suspended or revoked"),
    "handle_revoked": (409, "The handle was revoked"),
    "handle_expired": (409, "The handle's time is over"),
    "delegation_closed": (409, "The delegation was paused or revoked"),
    "approval_required": (409, "The primary approves each payment"),
    "too_many_secondaries": (409, "The primary has as many secondaries as may be"),
    "has_primary": (409, "The secondary has a primary already"),
    "request_expired": (409, "The time to approve is over"),
    "device_not_trusted": (409, "No linked device of the customer"),
    "precondition_failed": (412, "The object has another version"),
    "body_too_large": (413, "The body is too large"),
    "uri_too_long": (414, "The address is too long"),
    "unsupported_media_type": (415, "The body has a type this path does not read"),
    "invalid_link": (422, "The link is no link of UPI"),
    "collect_not_allowed": (422, "A collect request may not be sent"),
    "proof_invalid": (422, "The proof does not hold"),
    "factor_required": (422, "The payer has to prove themself by another factor"),
    "handle_out_of_scope": (422, "The handle was agreed for something else"),
    "limit_exceeded": (422, "A spending limit would be passed"),
    "over_capture": (422, "More would be captured than was authorized"),
    "over_refund": (422, "More would be refunded than was captured"),
    "over_release": (422, "More would be let go than there is"),
    "over_escrowed": (422, "More would be set aside than the payment has left"),
    "idempotency_key_missing": (400, "An Idempotency-Key is required"),
    "idempotency_key_reused": (422, "The key was used with another request"),
    "rate_limited": (429, "Too many requests"),
    "device_blocked": (429, "The device is blocked for a while"),
    "unavailable": (503, "The service cannot answer now"),
    "route_unavailable": (503, "No route can take this payment now"),
    "payment_timeout": (504, "The rail has not answered; the outcome is being enquired"),
}
_CODE_OF_STATUS: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    414: "uri_too_long",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "rate_limited",
    503: "unavailable",
}


class Problem(Struct, frozen=True, kw_only=True):
    """RFC 9457. Members that do not apply are left out."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str
    retryable: bool
    decline_code: str | UnsetType = UNSET
    param: str | UnsetType = UNSET
    errors: list[FieldError] | UnsetType = UNSET
    limit: Headroom | UnsetType = UNSET


def request_id_of(request: Request[Any, Any, Any]) -> str:
    """The id that the response, the log lines and the events of this request carry."""
    return str(request.scope.get("state", {}).get("request_id", ""))


def problem_response(
    request: Request[Any, Any, Any],
    code: str,
    detail: str,
    *,
    like: str | None = None,
    retryable: bool = False,
    instance: str | None = None,
    param: str | None = None,
    decline_code: str | None = None,
    errors: list[FieldError] | None = None,
    limit: Headroom | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response[bytes]:
    """`like` names the row of `PROBLEMS` for a code that refines one of them."""
    status, title = PROBLEMS[like or code]
    problem = Problem(
        type=f"urn:khata:problem:{code}",
        title=title,
        status=status,
        detail=detail,
        instance=instance or request.scope["path"],
        code=code,
        request_id=request_id_of(request),
        retryable=retryable,
        decline_code=decline_code or UNSET,
        param=param or UNSET,
        errors=errors or UNSET,
        limit=limit or UNSET,
    )
    all_headers = dict(headers or {})
    if status == 401:
        all_headers.setdefault("WWW-Authenticate", 'Bearer realm="khata"')
    return Response(
        content=msgspec.json.encode(problem),
        status_code=status,
        media_type=PROBLEM_JSON,
        headers=all_headers,
    )


def on_khata_error(request: Request[Any, Any, Any], error: KhataError) -> Response[bytes]:
    """Both families of `kernel/errors.py`."""
    like = _row_of(error)
    headers = dict(getattr(error, "headers", {}))
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    if PROBLEMS[like][0] >= 500:
        log.warning("unavailable", code=error.code, detail=error.detail, exc_info=error.__cause__)
    return problem_response(
        request,
        error.code,
        error.detail,
        like=like,
        retryable=error.retryable,
        param=error.param,
        decline_code=getattr(error, "decline_code", None),
        errors=getattr(error, "errors", None) or _own_field(error),
        limit=getattr(error, "limit", None),
        headers=headers,
    )


def _own_field(error: KhataError) -> list[FieldError]:
    return [FieldError(error.param, error.detail)] if error.param else []


def _row_of(error: KhataError) -> str:
    """The error's own row of `PROBLEMS`, or that of its nearest base. A refusal is never a 5xx,
    even under a code that `Unavailable` errors share.
    """
    codes = [c.code for c in type(error).__mro__ if issubclass(c, KhataError)]
    limit = 500 if isinstance(error, Refused) else 600
    return next(code for code in codes if code in PROBLEMS and PROBLEMS[code][0] < limit)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """What Litestar itself refuses: no such path, wrong method, bad parameter, body too large."""
    if error.status_code >= 500 and error.status_code != 503:
        return on_unexpected(request, error)
    if error.extra == [{"message": "'data'", "key": "data", "source": "body"}]:
        return problem_response(request, "malformed_body", "a JSON body is required")
    code = _CODE_OF_STATUS.get(error.status_code, "bad_request")
    errors = _parameter_errors(error)
    if errors:
        code = "invalid_request"
    return problem_response(
        request,
        code,
        f"{errors[0].param}: {errors[0].message}" if errors else _safe_detail(error),
        retryable=code in ("rate_limited", "unavailable"),
        param=errors[0].param if errors else None,
        errors=errors,
        headers=error.headers,
    )


def on_invalid_id(request: Request[Any, Any, Any], error: InvalidId) -> Response[bytes]:
    """A malformed id in the path names nothing; anywhere else it is a field with a bad value."""
    if any(repr(str(value)[:40]) in str(error) for value in request.path_params.values()):
        return problem_response(request, "not_found", "there is no such object")
    return problem_response(request, "invalid_request", str(error))


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Our fault: the client gets an id to quote, the log gets everything else."""
    error_id = uuid.uuid4().hex
    log.error("unexpected_error", error_id=error_id, path=request.scope["path"], exc_info=error)
    return problem_response(
        request,
        "internal_error",
        f"An unexpected error occurred. Quote the error id {error_id}.",
        retryable=True,
        instance=f"urn:khata:error:{error_id}",
    )


_MISSING_PARAMETER = re.compile(r"Missing required (\w+) parameter '([^']+)'")


def _parameter_errors(error: HTTPException) -> list[FieldError]:
    if isinstance(error.extra, list):
        return [
            FieldError(
                str(e.get("key", "")), str(e.get("message", "is not valid")).replace("`", "")[:200]
            )
            for e in error.extra
            if isinstance(e, dict)
        ]
    missing = _MISSING_PARAMETER.search(error.detail)
    return [FieldError(missing[2], f"{missing[1]} parameter is required")] if missing else []


def _safe_detail(error: HTTPException) -> str:
    if isinstance(error, NotFoundException):
        return "there is no such path"
    # One line and short, so that nothing of a traceback or of the body can ride along.
    return error.detail.splitlines()[0][:200] if error.detail else ""


class StrictRequest(Request[UserT, AuthT, StateT]):
    """Reads a JSON body straight into the handler's `data` type, strictly."""

    async def json(self) -> Any:
        """Called once, by Litestar, for the `data` of a handler."""
        body = await self.body()
        content_type, options = self.content_type
        field = self.route_handler.parsed_data_field
        kind = Any if field is None else field.annotation
        if content_type == "application/x-www-form-urlencoded" and self.route_handler.opt.get(
            ACCEPTS_FORM
        ):
            form = await self.form()
            return wire.convert({key: form.getall(key)[-1] for key in form}, kind)
        if content_type not in ("", "application/json"):
            raise wire.UnsupportedMediaType(f"expected application/json, got {content_type[:80]}")
        if options.get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
            raise wire.UnsupportedMediaType("JSON is read as UTF-8 only")
        return wire.decode(body, kind)


_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:/+=@-]{1,128}")
_ALWAYS: Final = ((b"x-content-type-options", b"nosniff"),)
_NO_STORE: Final = (b"cache-control", b"no-store")


class RequestContext:
    """Outermost: gives each request its id, logs how it ended, adds the shared headers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex.encode()
        scope.setdefault("state", {})["request_id"] = request_id.decode()
        status = 500

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], *_ALWAYS, (b"x-request-id", request_id)]
                if not any(name.lower() == b"cache-control" for name, _ in message["headers"]):
                    headers.append(_NO_STORE)
                message["headers"] = headers
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id.decode()):
            try:
                await self._app(scope, receive, send_with_headers)
            finally:
                write = log.debug if status < 400 else log.info
                method = scope.get("method")
                write("request", method=method, path=scope["path"], status=status)


class HttpPlugin(InitPlugin):
    """Everything of this module for a Litestar app; call `wrap(app)` once the app is made."""

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.request_class = StrictRequest
        for router in app_config.route_handlers:
            if isinstance(router, Router):
                _allow_every_method(router)
        app_config.guards = [*app_config.guards, query_is_known]
        app_config.debug = False
        app_config.exception_handlers = {
            **dict(app_config.exception_handlers),
            KhataError: on_khata_error,
            InvalidId: on_invalid_id,
            HTTPException: on_http_exception,
            Exception: on_unexpected,
        }
        return app_config


def _allow_every_method(router: Router) -> None:
    """Litestar answers OPTIONS with the methods of the first handler of a path alone: made again
    with all of them, its answer is whole.
    """
    for index, route in enumerate(router.routes):
        if isinstance(route, HTTPRoute):
            own = [h for h in route.route_handlers if h.http_methods != {HttpMethod.OPTIONS}]
            router.routes[index] = HTTPRoute(path=route.path, route_handlers=own)


def wrap(app: Litestar) -> Litestar:
    """Puts `RequestContext` around routing itself: Litestar's own middleware skips a 404."""
    # Set here because Litestar ignores the value that a plugin puts into the config.
    app.request_max_body_size = MAX_BODY_BYTES
    remember_names(app)
    _provide_in_turn(app)
    app.asgi_handler = RequestContext(app.asgi_handler)
    return app


def _provide_in_turn(app: Litestar) -> None:
    """What a handler is given is there already: a task group to wait for it costs more than all
    of it, at each request.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for _, model in route.route_handler_map.values():
                batches = model.dependency_batches
                model.dependency_batches = [{one} for batch in batches for one in batch]
