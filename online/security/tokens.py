"""Access tokens: short-lived JWTs, ES256, checked against one public key and one clock.

The algorithm is fixed here and never taken from the token, which is what defeats `alg: none`
and a public key used as an HMAC secret.
"""

import base64
import hashlib
import secrets
from collections import OrderedDict
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet
from msgspec import Meta, Struct

from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import Unauthenticated
from online.security.domain import Kind, Principal
from online.security.keyfiles import KeyFileRefused, read_or_create

ISSUER: Final = "khata"
AUDIENCE: Final = "khata-api"
_ALGORITHM: Final = "ES256"
_LONGEST: Final = 4096
_CACHED: Final = 10_000


class _Claims(Struct, frozen=True):
    iss: str
    aud: str
    sub: str
    scope: str
    livemode: bool
    iat: Annotated[int, Meta(ge=0, le=2**53)]
    exp: Annotated[int, Meta(ge=0, le=2**53)]
    jti: str
    merchant: str | None = None


class TokenIssuer:
    """Signs and verifies; the key pair lives in an owner-only file."""

    def __init__(self, key_file: Path, clock: Clock, *, ttl_s: int = 900) -> None:
        self._key = _load_key(key_file)
        self._clock = clock
        self.ttl_s = ttl_s
        self._verified: OrderedDict[str, tuple[int, Principal]] = OrderedDict()

    def issue(self, principal: Principal) -> str:
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": principal.subject,
            "scope": " ".join(sorted(principal.scopes)),
            "livemode": principal.livemode,
            "iat": now,
            "exp": now + self.ttl_s,
            "jti": secrets.token_urlsafe(12),
        }
        if principal.merchant_id is not None:
            claims["merchant"] = ids.encode("mrc", principal.merchant_id)
        header = {"alg": _ALGORITHM, "kid": self._key.kid}
        return jwt.encode(header, claims, self._key, algorithms=[_ALGORITHM])

    def verify(self, token: str) -> Principal:
        """The caller, or `Unauthenticated`. A token is checked once and remembered until it ends:
        the signature costs 60 µs, finding it again one."""
        now = int(self._clock.now().timestamp())
        known = self._verified.get(token)
        if known is None:
            known = self._check(token)
            self._remember(token, known)
        expires, principal = known
        if now >= expires:
            self._verified.pop(token, None)
            raise Unauthenticated("the access token has expired")
        return principal

    def forget(self, subject: str) -> None:
        """Drops what is remembered of a client, so that its next call is looked at again."""
        for token in [t for t, (_, p) in self._verified.items() if p.subject == subject]:
            del self._verified[token]

    @property
    def jwks(self) -> dict[str, Any]:
        """The public half, as RFC 7517 says."""
        return dict(KeySet([self._key]).as_dict(private=False))

    def _check(self, token: str) -> tuple[int, Principal]:
        if len(token) > _LONGEST:
            raise Unauthenticated("the access token is too long")
        try:
            decoded = jwt.decode(token, self._key, algorithms=[_ALGORITHM])
            claims = msgspec.convert(decoded.claims, _Claims)
            merchant_id = ids.decode("mrc", claims.merchant) if claims.merchant else None
        except (JoseError, msgspec.ValidationError, ids.InvalidId, ValueError, TypeError):
            # One answer for every flaw: which one it was helps only an attacker.
            raise Unauthenticated("the access token is not valid") from None
        now = int(self._clock.now().timestamp())
        if claims.iss != ISSUER or claims.aud != AUDIENCE or claims.iat > now + 60:
            raise Unauthenticated("the access token is not valid")
        if decoded.header.get("kid") != self._key.kid or decoded.header.get("typ") != "JWT":
            raise Unauthenticated("the access token is not valid")
        return claims.exp, Principal(
            kind=Kind.MERCHANT if merchant_id else Kind.SERVICE,
            subject=claims.sub,
            scopes=frozenset(claims.scope.split()),
            livemode=claims.livemode,
            merchant_id=merchant_id,
        )

    def _remember(self, token: str, known: tuple[int, Principal]) -> None:
        if len(self._verified) >= _CACHED:
            self._verified.popitem(last=False)
        self._verified[token] = known


def _load_key(path: Path) -> ECKey:
    def new_key() -> bytes:
        key = ECKey.generate_key("P-256", auto_kid=False)
        return msgspec.json.encode(key.as_dict(private=True))

    try:
        raw = msgspec.json.decode(read_or_create(path, new_key), type=dict[str, Any])
        key = ECKey.import_key({**raw, "kid": _thumbprint(raw), "alg": _ALGORITHM, "use": "sig"})
    except (msgspec.DecodeError, JoseError, KeyError, ValueError):
        raise KeyFileRefused(f"{path}: not an EC P-256 private key") from None
    if not key.is_private or key.curve_name != "P-256":
        raise KeyFileRefused(f"{path}: not an EC P-256 private key")
    return key


def _thumbprint(key: dict[str, Any]) -> str:
    """RFC 7638: the same key has the same id in every process."""
    members = {name: key[name] for name in ("crv", "kty", "x", "y")}
    digest = hashlib.sha256(msgspec.json.encode(members, order="sorted")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
