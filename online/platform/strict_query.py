"""What may stand behind the `?` of an address: names that the path reads, each once.

Litestar passes by a name it does not know, takes the last of two, and reads `null` as nothing: a
filter with a slip in it would list everything.
"""

import re
from datetime import datetime
from typing import Any, Final, get_args
from urllib.parse import parse_qsl

from litestar import Litestar
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from litestar.routes import HTTPRoute

from online.platform.wire import FieldError, InvalidFields

_NAMES: Final = "query"  # opt of every handler: the names it reads, and which are moments
# RFC 3339. A bare number would pass as seconds since 1970, and a time without a zone as anything.
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")


def remember_names(app: Litestar) -> None:
    """Once the app is made: which names each handler reads."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, model) in route.route_handler_map.items():
                if method == "OPTIONS":
                    continue
                handler.opt[_NAMES] = {
                    parameter.field_alias: _is_moment(handler, parameter.field_name)
                    for parameter in model.expected_query_params
                }


def _is_moment(handler: BaseRouteHandler, field: str) -> bool:
    kind = handler.parsed_fn_signature.parameters[field].annotation
    return kind is datetime or datetime in get_args(kind)


async def query_is_known(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A guard, so that it speaks after the one that asks who is calling."""
    query: bytes = connection.scope["query_string"]
    known: dict[str, bool] | None = handler.opt.get(_NAMES)
    if not query or known is None:
        return
    errors: list[FieldError] = []
    seen: set[str] = set()
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in known:
            errors.append(FieldError(name[:200], "is not a parameter of this path"))
        elif name in seen:
            errors.append(FieldError(name, "stands there twice"))
        elif value == "null":
            errors.append(FieldError(name, "leave the parameter out instead of sending null"))
        elif known[name] and not _MOMENT.fullmatch(value):
            errors.append(FieldError(name, "must be a time with its zone, as in RFC 3339"))
        seen.add(name)
    if errors:
        first = errors[0]
        raise InvalidFields(f"{first.param}: {first.message}", first.param, errors=errors[:50])
