"""`POST /api/v1/auth/token` and the public keys that verify what it gives."""

from typing import Any, Literal

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Struct

from online.platform.http import ACCEPTS_FORM
from online.platform.openapi_page import problems
from online.platform.wire import Text, WireStruct
from online.security.domain import allow_anyone
from online.security.rate_limits import RateLimiter
from online.security.service import Credentials
from online.security.tokens import TokenIssuer


class TokenRequest(WireStruct, frozen=True, kw_only=True):
    """As OAuth 2.0 client credentials; JSON or a form."""

    client_id: Text
    client_secret: Text
    grant_type: Literal["client_credentials"]


class TokenView(Struct, frozen=True, kw_only=True):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int
    scope: str


@post(
    "/auth/token",
    status_code=200,
    summary="Exchange client credentials for an access token",
    tags=["auth"],
    opt={**allow_anyone(), ACCEPTS_FORM: True} | problems("unauthenticated"),
)
async def create_token(
    data: JSONBody[TokenRequest],
    credentials: NamedDependency[Credentials],
    rate_limiter: NamedDependency[RateLimiter],
) -> TokenView:
    rate_limiter.admit_sign_in(data.client_id)
    token = await credentials.exchange(data.client_id, data.client_secret)
    return TokenView(
        access_token=token.access_token,
        expires_in=token.expires_in,
        scope=" ".join(sorted(token.scopes)),
    )


@get(
    "/.well-known/jwks.json",
    summary="The public keys of access tokens",
    tags=["auth"],
    opt=allow_anyone(),
)
async def read_jwks(tokens: NamedDependency[TokenIssuer]) -> Response[dict[str, Any]]:
    return Response(tokens.jwks, headers={"Cache-Control": "public, max-age=300"})


router = Router("/api/v1", route_handlers=[create_token])
root_handlers = [read_jwks]
