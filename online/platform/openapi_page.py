"""The OpenAPI document and a page to read and try it, both served by the service itself.

Belongs here: what every operation has in common in the document (errors, credentials), and the
page. Does not: what one operation says, which stands at its handler. Nothing is loaded from
elsewhere, so the page works where there is no internet.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.routes import BaseRoute, HTTPRoute

from online.platform.http import PROBLEM_JSON, PROBLEMS
from online.platform.openapi_examples import show_examples
from online.platform.openapi_shapes import plain, without_null, write_answers, write_bodies
from online.platform.settings import ROOT

SecurityOf = Callable[[Mapping[str, Any]], Sequence[str]]
SignedOf = Callable[[Mapping[str, Any]], bool]

_EXAMPLES: Final = ROOT / "docs" / "examples"
_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SCHEMES: Final = {
    "accessToken": SecurityScheme(
        type="http",
        scheme="bearer",
        bearer_format="JWT",
        description="From `POST /api/v1/auth/token`; good for 15 minutes.",
    ),
    "publishableKey": SecurityScheme(
        type="apiKey",
        name="Khata-Publishable-Key",
        security_scheme_in="header",
        description="For browsers and apps; opens only what may be public.",
    ),
    "adminToken": SecurityScheme(
        type="http", scheme="bearer", description="The operator's own token."
    ),
}
_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "instance", "code", "request_id"],
    "properties": {
        "type": {"type": "string", "examples": ["urn:khata:problem:over_refund"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "What to switch on.", "examples": ["not_found"]},
        "decline_code": {"type": "string", "description": "Why the payer's side said no."},
        "param": {"type": "string", "description": "The field that is wrong."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"param": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "limit": {
            "type": "object",
            "description": "Of `limit_exceeded`: which, and what is left of it.",
            "properties": {
                "rule": {"type": "string"},
                "cap": {"type": "integer"},
                "headroom": {"type": "integer"},
                "window_end": {"type": ["string", "null"], "format": "date-time"},
            },
        },
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean"},
    },
}
# What a call can meet because of its shape alone; every other code is named by its handler.
_COMMON: Final = frozenset(
    {
        *("malformed_body", "bad_request", "invalid_request", "unauthenticated", "forbidden"),
        *("not_found", "body_too_large", "uri_too_long", "unsupported_media_type"),
        *("rate_limited", "unavailable", "internal_error"),
    }
)
# Calls that move money, the signed ones, can meet these too.
_OF_MONEY: Final = frozenset(
    {
        *("insufficient_funds", "fraud_blocked", "limit_exceeded", "over_capture", "over_refund"),
        *("idempotency_key_missing", "idempotency_key_reused", "idempotency_in_flight"),
        *("illegal_state", "version_conflict", "conflict", "settlement_mismatch"),
        *("refused_by_rail", "already_settled", "evidence_late"),
        *("factor_required", "device_closed"),
        *("route_unavailable", "payment_timeout", "signature_invalid"),
    }
)
_NOT_KNOWN_YET: Final = "The rail has not said yet; read the object, do not ask for it again"
_NAMED: Final = "problems"  # opt of a handler: codes that only its own rules lead to


def problems(*codes: str) -> dict[str, Any]:
    """`opt=allow(…) | problems("illegal_state")`: what else this call is documented to answer."""
    unknown = set(codes) - PROBLEMS.keys()
    if unknown:
        raise ValueError(f"no such problems: {sorted(unknown)}")
    return {_NAMED: frozenset(codes)}


# Read off the request by the gate and the idempotency store, so that no handler declares them.
_MONEY_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Idempotency-Key": {
        "required": True,
        "description": "The same key with the same request is the same call, made once.",
        "schema": {"type": "string", "pattern": "^[ -~]{1,255}$"},
    },
    "Khata-Request-Signature": {
        "required": False,
        "description": "t=…,n=…,kid=…,v1=…; demanded where the merchant says so.",
        "schema": {"type": "string", "maxLength": 600},
    },
}
# A header that a handler reads is known by the problem that only it can lead to.
_BY_CODE: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "idempotency_key_reused": (
        "Idempotency-Key",
        _MONEY_HEADERS["Idempotency-Key"] | {"required": False},
    ),
    # After the one above, which it is stricter than.
    "idempotency_key_missing": ("Idempotency-Key", _MONEY_HEADERS["Idempotency-Key"]),
    "precondition_failed": (
        "If-Match",
        {
            "required": False,
            "description": "The `ETag` that was decided on; another version is refused (412).",
            "schema": {"type": "string", "maxLength": 200},
        },
    ),
}


def openapi_config(
    *,
    version: str,
    opt: Mapping[str, Any],
    security_of: SecurityOf,
    signed_of: SignedOf,
    description: str = "",
    tags: Sequence[Tag] = (),
) -> OpenAPIConfig:
    """For `Litestar(openapi_config=…)`. `opt` opens the documentation's own routes."""
    return OpenAPIConfig(
        title="Khata",
        version=version,
        description=description,
        use_handler_docstrings=True,
        components=Components(security_schemes=dict(_SCHEMES)),
        tags=list(tags),
        render_plugins=[
            _Page("/", "page.html", "text/html"),
            _Page("/page.css", "page.css", "text/css"),
            _Page("/page.js", "page.js", "text/javascript"),
            _Document(security_of, signed_of),
        ],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            opt=dict(opt),
            response_headers={"Content-Security-Policy": _CSP, "Referrer-Policy": "no-referrer"},
        ),
    )


class _Page(OpenAPIRenderPlugin):
    """One static file of the page."""

    def __init__(self, path: str, file: str, media_type: Any) -> None:
        super().__init__(path=path, media_type=media_type)
        self._file = file

    def render(self, *_: Any) -> bytes:
        return _static(self._file)


class _Document(OpenAPIRenderPlugin):
    """The document, completed with what no single handler says."""

    def __init__(self, security_of: SecurityOf, signed_of: SignedOf) -> None:
        super().__init__(path="/openapi.json", media_type=MediaType.JSON)
        self._security_of = security_of
        self._signed_of = signed_of
        self._rendered: bytes | None = None

    def receive_router(self, router: Router) -> None:
        """Drops Litestar's HTML page for unknown paths: a 404 is problem+json here too."""
        router.routes[:] = [route for route in router.routes if "{" not in route.path]

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._rendered is None:
            document: dict[str, Any] = msgspec.json.decode(
                msgspec.json.encode(openapi_schema, enc_hook=str)
            )
            self._complete(document, request)
            self._rendered = msgspec.json.encode(plain(document))
        return self._rendered

    def _complete(self, document: dict[str, Any], request: Request[Any, Any, Any]) -> None:
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = _PROBLEM
        documented = _documented(document, request.app.routes)
        write_bodies(documented, schemas)
        show_examples({where: operation for where, (operation, _) in documented.items()}, _EXAMPLES)
        for operation, handler in documented.values():
            write_answers(operation, handler)
            self._complete_operation(operation, handler.opt)

    def _complete_operation(self, operation: dict[str, Any], opt: Mapping[str, Any]) -> None:
        schemes = self._security_of(opt)
        signed = self._signed_of(opt)
        operation["security"] = [{scheme: []} for scheme in schemes]
        responses = operation.setdefault("responses", {})
        # Litestar documents its own error shape for 400, which nobody ever gets here.
        for status in [s for s in responses if s.startswith(("4", "5"))]:
            if PROBLEM_JSON not in responses[status].get("content", {}):
                del responses[status]
        parameters = operation.setdefault("parameters", [])
        for parameter in parameters:
            without_null(parameter)
        if signed:
            known = responses.get("200") or responses["201"]
            responses.setdefault("202", known | {"description": _NOT_KNOWN_YET})
        named: frozenset[str] = opt.get(_NAMED, frozenset())
        codes = _COMMON | named | (_OF_MONEY if signed else set())
        statuses = _statuses(operation, secured=bool(schemes), signed=signed)
        for status in sorted(statuses | {PROBLEMS[code][0] for code in named}):
            responses.setdefault(str(status), _problem_response(status, codes))
        headers = dict(_MONEY_HEADERS) if signed else {}
        headers |= {name: about for code, (name, about) in _BY_CODE.items() if code in named}
        known = {parameter["name"].lower() for parameter in parameters}
        parameters += [
            _header(n, **about) for n, about in headers.items() if n.lower() not in known
        ]


def _documented(
    document: Mapping[str, Any], routes: Sequence[BaseRoute]
) -> dict[str, tuple[dict[str, Any], HTTPRouteHandler]]:
    """Every operation of the document with its handler, by method and path."""
    found = {}
    for route in routes:
        item = document.get("paths", {}).get(getattr(route, "path_format", ""), {})
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if method.lower() in item:
                    where = f"{method} {route.path_format}"
                    found[where] = (item[method.lower()], handler)
    return found


def _header(name: str, **about: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", **about}


def _statuses(operation: Mapping[str, Any], *, secured: bool, signed: bool) -> set[int]:
    """Which problems an operation can answer with, as far as its shape tells."""
    statuses = {429, 500, 503}
    if secured:
        statuses |= {401, 403}
    if operation.get("requestBody"):
        statuses |= {400, 413, 415}
    if operation.get("requestBody") or operation["parameters"]:
        statuses |= {422}
    if any(parameter.get("in") == "path" for parameter in operation["parameters"]):
        statuses |= {404}
    if signed:
        statuses |= {402, 404, 409, 504}
    return statuses


def _problem_response(status: int, codes: Set[str]) -> dict[str, Any]:
    shown = [code for code, (of, _) in PROBLEMS.items() if of == status and code in codes]
    return {
        "description": ", ".join(f"`{code}`" for code in shown),
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


@cache
def _static(file: str) -> bytes:
    return resources.files("online.platform").joinpath("static", file).read_bytes()
