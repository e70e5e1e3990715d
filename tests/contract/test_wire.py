"""The whole service's requests: every route says who may, every body is closed and bounded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from msgspec import inspect

from online.app import create_app
from online.platform.settings import load_settings
from online.security.domain import OPT, Access


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    data: Path = tmp_path_factory.mktemp("data")
    return create_app(load_settings(environ={"KHATA_DATA_DIR": str(data)}))


def handlers(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in app.routes:
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items():
            if method != "OPTIONS":
                yield f"{method} {route.path}", handler


def test_every_route_says_who_may(app: Litestar):
    silent = [where for where, handler in handlers(app) if OPT not in handler.opt]
    assert not silent, silent


def test_what_is_open_to_anyone_is_known(app: Litestar):
    public = {where for where, handler in handlers(app) if handler.opt[OPT].public}
    assert public <= {
        "GET /health",
        "GET /ready",
        "GET /.well-known/jwks.json",
        "GET /api/v1/seals/keys",
        "GET /api/v1/upi/keys",
        "POST /api/v1/auth/token",
        "GET /schema",
        "GET /schema/page.css",
        "GET /schema/page.js",
        "GET /schema/openapi.json",
        "POST /internal/rails/{rail:str}/callbacks",
    }


def test_scopes_fit_the_path(app: Litestar):
    for where, handler in handlers(app):
        access: Access = handler.opt[OPT]
        if " /internal/v1/" in where:
            assert access.scopes == {"service"}, where
        assert not access.signed or where.startswith("POST "), where


def test_every_body_is_closed_and_bounded(app: Litestar):
    wrong: list[str] = []
    for where, handler in handlers(app):
        field = handler.parsed_data_field
        if field is not None:
            wrong += [f"{where}: {problem}" for problem in problems(field.annotation, "data")]
    assert not wrong, "\n".join(wrong)


def problems(kind: Any, path: str) -> Iterator[str]:
    """Structs that take unknown fields, and integers that may not fit int64."""
    yield from _problems(inspect.type_info(kind), path, set())


def _problems(info: Any, path: str, seen: set[Any]) -> Iterator[str]:
    if isinstance(info, inspect.StructType):
        if info.cls in seen:
            return
        seen.add(info.cls)
        if not info.forbid_unknown_fields:
            yield f"{path} ({info.cls.__name__}) takes unknown fields"
    elif isinstance(info, inspect.IntType):
        if (info.ge is None and info.gt is None) or (info.le is None and info.lt is None):
            yield f"{path} is an integer without bounds"
    elif isinstance(info, inspect.FloatType):
        yield f"{path} is a float"
    for inner, place in _parts(info, path):
        yield from _problems(inner, place, seen)


def _parts(info: Any, path: str) -> Iterator[tuple[Any, str]]:
    match info:
        case inspect.Metadata():
            yield info.type, path
        case inspect.StructType():
            yield from ((field.type, f"{path}.{field.encode_name}") for field in info.fields)
        case inspect.UnionType():
            yield from ((option, path) for option in info.types)
        case inspect.ListType() | inspect.VarTupleType():
            yield info.item_type, f"{path}[]"
        case inspect.DictType():
            yield info.value_type, f"{path}{{}}"
