"""The OpenAPI document and a page to read and try it, both served by the service itself.

Belongs here: what every operation has in common in the document (errors, credentials), and the
page. Does not: what one operation says, which stands at its handler. Nothing is loaded from
elsewhere, so the page works where there is no internet.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.routes import HTTPRoute

from online.platform.http import PROBLEM_JSON, PROBLEMS

SecurityOf = Callable[[Mapping[str, Any]], Sequence[str]]
SignedOf = Callable[[Mapping[str, Any]], bool]

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
        "request_id": {"type": "string"},
        "retryable": {"type": "boolean"},
    },
}
# Only their refinements are ever answered.
_BASES: Final = frozenset({"error", "refused"})
# Only calls that move money, the signed ones, can meet these.
_OF_MONEY: Final = frozenset(
    {
        *("insufficient_funds", "fraud_blocked", "limit_exceeded", "over_capture", "over_refund"),
        *("idempotency_key_missing", "idempotency_key_reused", "idempotency_in_flight"),
        *("illegal_state", "version_conflict", "conflict", "settlement_mismatch"),
        *("route_unavailable", "payment_timeout", "signature_invalid"),
    }
)
# Read off the request by the gate and the idempotency store, so that no handler declares them.
_MONEY_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "Idempotency-Key": {
        "required": True,
        "description": "The same key with the same request is the same call, made once.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    "Khata-Request-Signature": {
        "required": False,
        "description": "t=…,n=…,kid=…,v1=…; demanded where the merchant says so.",
        "schema": {"type": "string"},
    },
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
            self._rendered = msgspec.json.encode(_plain(document))
        return self._rendered

    def _complete(self, document: dict[str, Any], request: Request[Any, Any, Any]) -> None:
        components = document.setdefault("components", {})
        components.setdefault("schemas", {})["Problem"] = _PROBLEM
        for route in request.app.routes:
            item = document.get("paths", {}).get(getattr(route, "path_format", ""), {})
            if not isinstance(route, HTTPRoute):
                continue
            for method, (handler, _) in route.route_handler_map.items():
                operation = item.get(method.lower())
                if operation is not None:
                    self._complete_operation(operation, handler.opt)
                    _close(operation.get("requestBody"), components["schemas"])

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
        for status in sorted(_statuses(operation, secured=bool(schemes), signed=signed)):
            responses.setdefault(str(status), _problem_response(status, signed=signed))
        if signed:
            parameters += [_header(name, **about) for name, about in _MONEY_HEADERS.items()]


def _header(name: str, **about: Any) -> dict[str, Any]:
    return {"name": name, "in": "header", **about}


_INTEGERS: Final = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})


def _plain(part: Any) -> Any:
    """Patterns in ECMA's dialect, where `\\Z` is a letter, and bounds as the integers they are."""
    if isinstance(part, list):
        return [_plain(inner) for inner in part]
    if not isinstance(part, dict):
        return part
    plain = {key: _plain(value) for key, value in part.items()}
    if isinstance(plain.get("pattern"), str):
        plain["pattern"] = plain["pattern"].replace(r"\Z", "$")
    for name in _INTEGERS & plain.keys():
        if isinstance(plain[name], float) and plain[name].is_integer():
            plain[name] = int(plain[name])
    return plain


def _close(part: Any, schemas: dict[str, Any]) -> None:
    """Says of every object below a request body what holds: no field that is not named."""
    if isinstance(part, list):
        for inner in part:
            _close(inner, schemas)
    if not isinstance(part, dict):
        return
    schema = schemas.get(str(part.get("$ref", "")).rpartition("/")[2])
    if schema is not None and "additionalProperties" not in schema:
        schema["additionalProperties"] = False
        _close(schema, schemas)
    for inner in part.values():
        _close(inner, schemas)


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


def _problem_response(status: int, *, signed: bool) -> dict[str, Any]:
    codes = [code for code, (of, _) in PROBLEMS.items() if of == status and code not in _BASES]
    shown = [code for code in codes if signed or code not in _OF_MONEY]
    return {
        "description": ", ".join(f"`{code}`" for code in shown),
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


@cache
def _static(file: str) -> bytes:
    return resources.files("online.platform").joinpath("static", file).read_bytes()
