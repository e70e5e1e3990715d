"""The gate: one guard in front of every handler, closed unless the handler says otherwise.

In order: the limit for everybody, who is calling, whether this route is open to them, their own
limit, and the request's signature. Whatever fails first is what the caller learns.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Protocol
from uuid import UUID

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from online.kernel.clock import Clock
from online.kernel.errors import Forbidden, Unauthenticated
from online.security.domain import ADMIN_SCOPES, OPT, Access, Kind, Principal
from online.security.rate_limits import RateLimiter
from online.security.service import Credentials
from online.security.signatures import (
    HEADER,
    WINDOW_S,
    NonceMemory,
    SignatureHeader,
    canonical,
    holds,
    parse_header,
)
from online.security.tokens import TokenIssuer

_CLOSED: Final = Access()


@dataclass(eq=False)
class SignatureInvalid(Unauthenticated):
    """The request is not what its signer signed, or not now, or not for the first time."""

    code: ClassVar[str] = "signature_invalid"


class MerchantPolicies(Protocol):
    """What the gate asks about a merchant; `merchants` answers, wired in `app.py`."""

    async def requires_signature(self, merchant_id: UUID) -> bool: ...


class AdminToken:
    """The operator's token, kept as a digest; without one, the admin paths are closed."""

    def __init__(self, token: str | None) -> None:
        self._digest = hashlib.sha256(token.encode()).digest() if token else None

    def matches(self, token: str) -> bool:
        given = hashlib.sha256(token.encode()).digest()
        return self._digest is not None and hmac.compare_digest(given, self._digest)


class Gate:
    """`Litestar(guards=[gate.guard], dependencies={"principal": Provide(principal_of, …)})`."""

    def __init__(
        self,
        *,
        tokens: TokenIssuer,
        credentials: Credentials,
        limiter: RateLimiter,
        policies: MerchantPolicies,
        clock: Clock,
        admin_token: AdminToken,
    ) -> None:
        self._tokens = tokens
        self._credentials = credentials
        self._limiter = limiter
        self._policies = policies
        self._clock = clock
        self._admin = admin_token
        self._nonces = NonceMemory()

    async def guard(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        if connection.scope.get("method") == "OPTIONS":
            return  # says which methods a path has, nothing else
        self._limiter.admit_anyone()
        access: Access = handler.opt.get(OPT, _CLOSED)
        if access.public:
            return
        principal = await self._authenticate(connection)
        if not access.permits(principal):
            raise Forbidden("these credentials do not open this path")
        if principal.merchant_id is not None and access.rated:
            self._limiter.admit_merchant(principal.merchant_id.hex)
        if principal.kind is Kind.MERCHANT and isinstance(connection, Request):
            await self._check_signature(connection, principal, demanded=access.signed)
        connection.scope["user"] = principal

    async def _authenticate(self, connection: ASGIConnection[Any, Any, Any, Any]) -> Principal:
        scheme, _, token = connection.headers.get("authorization", "").partition(" ")
        token = token.strip()
        if not scheme:
            token = connection.headers.get("khata-publishable-key", "")
            if not token:
                raise Unauthenticated("a bearer token is required")
            return await self._credentials.publishable(token[:128])
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("a bearer token is required")
        if token.startswith("pk_"):
            return await self._credentials.publishable(token[:128])
        if token.count(".") == 2:
            return self._tokens.verify(token)
        if self._admin.matches(token):
            return Principal(kind=Kind.ADMIN, subject="admin", scopes=ADMIN_SCOPES, livemode=False)
        raise Unauthenticated("the bearer token is not valid")

    async def _check_signature(
        self, request: Request[Any, Any, Any], principal: Principal, *, demanded: bool
    ) -> None:
        given = request.headers.get(HEADER)
        if given is None:
            if demanded and await self._policies.requires_signature(principal.merchant):
                raise SignatureInvalid(f"this call has to be signed ({HEADER})", param=HEADER)
            return
        header = parse_header(given)
        if header is None:
            raise SignatureInvalid("the signature header cannot be read", param=HEADER)
        now = int(self._clock.now().timestamp())
        if abs(now - header.timestamp) > WINDOW_S:
            raise SignatureInvalid(
                f"the signature's time is more than {WINDOW_S} s from ours", param=HEADER
            )
        key = await self._credentials.signing_key(header.key_id)
        if key is None or key.merchant_id != principal.merchant:
            raise SignatureInvalid("the signing key is not valid", param=HEADER)
        if not holds(key.secret, await _signed_text(request, header), header.signatures):
            raise SignatureInvalid("the signature does not match the request", param=HEADER)
        # Only now, so that nobody without the key can use up a merchant's nonces.
        if not self._nonces.is_new(header.key_id, header.nonce, now):
            raise SignatureInvalid("the nonce was used before", param=HEADER)


async def _signed_text(request: Request[Any, Any, Any], header: SignatureHeader) -> bytes:
    query = request.scope["query_string"]
    path = request.scope["raw_path"].partition(b"?")[0]  # some servers leave the query in it
    return canonical(
        timestamp=header.timestamp,
        nonce=header.nonce,
        method=request.method,
        target=path + b"?" + query if query else path,
        body=await request.body(),
        idempotency_key=request.headers.get("idempotency-key", ""),
    )


def principal_of(request: Request[Any, Any, Any]) -> Principal:
    """For `Provide`: who is calling. Only behind the gate; a public route has nobody."""
    principal = request.scope.get("user")
    if not isinstance(principal, Principal):
        raise Unauthenticated("a bearer token is required")
    return principal
