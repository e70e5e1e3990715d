"""Access tokens: what verifies, and every way a token can be wrong."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from online.kernel import ids
from online.kernel.clock import FixedClock
from online.kernel.errors import Unauthenticated
from online.security.domain import Kind, Principal
from online.security.tokens import AUDIENCE, ISSUER, TokenIssuer

NOW = datetime(2026, 11, 16, 4, 30, tzinfo=UTC)
MERCHANT = ids.new(NOW)
PRINCIPAL = Principal(
    kind=Kind.MERCHANT,
    subject="cli_x",
    scopes=frozenset({"payments:read", "payments:write"}),
    livemode=False,
    merchant_id=MERCHANT,
)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def issuer(tmp_path: Path, clock: FixedClock) -> TokenIssuer:
    return TokenIssuer(tmp_path / "keys" / "jwt.json", clock)


@pytest.fixture
def key(issuer: TokenIssuer, tmp_path: Path) -> ECKey:
    raw = json.loads((tmp_path / "keys" / "jwt.json").read_text())
    return ECKey.import_key({**raw, "kid": issuer.jwks["keys"][0]["kid"]})


def claims(**changes: Any) -> dict[str, Any]:
    now = int(NOW.timestamp())
    good = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "cli_x",
        "scope": "payments:read",
        "livemode": False,
        "iat": now,
        "exp": now + 900,
        "jti": "x",
        "merchant": ids.encode("mrc", MERCHANT),
    }
    return {k: v for k, v in {**good, **changes}.items() if v is not ...}


def signed(key: ECKey, payload: dict[str, Any], **header: Any) -> str:
    head = {"alg": "ES256", "kid": key.kid, "typ": "JWT", **header}
    return jwt.encode(head, payload, key, algorithms=[head["alg"]], default_type=None)


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_round_trip(issuer: TokenIssuer):
    assert issuer.verify(issuer.issue(PRINCIPAL)) == PRINCIPAL


def test_a_client_of_our_own_has_no_merchant(issuer: TokenIssuer):
    ours = Principal(kind=Kind.SERVICE, subject="c", scopes=frozenset({"service"}), livemode=False)
    assert issuer.verify(issuer.issue(ours)) == ours


def test_expiry_holds_for_remembered_tokens_too(issuer: TokenIssuer, clock: FixedClock):
    token = issuer.issue(PRINCIPAL)
    issuer.verify(token)
    clock.advance(timedelta(seconds=899))
    issuer.verify(token)
    clock.advance(timedelta(seconds=1))
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            issuer.verify(token)


def test_two_processes_share_the_key_file(issuer: TokenIssuer, tmp_path: Path, clock: FixedClock):
    other = TokenIssuer(tmp_path / "keys" / "jwt.json", clock)
    assert other.verify(issuer.issue(PRINCIPAL)) == PRINCIPAL
    assert other.jwks == issuer.jwks


def test_public_keys_are_public(issuer: TokenIssuer):
    (public,) = issuer.jwks["keys"]
    assert "d" not in public
    assert (public["kty"], public["crv"], public["alg"]) == ("EC", "P-256", "ES256")


@pytest.mark.parametrize(
    ("changes", "header"),
    [
        ({}, {}),
        ({"aud": "another-api"}, None),
        ({"aud": ["khata-api"]}, None),
        ({"aud": ...}, None),
        ({"iss": "somebody"}, None),
        ({"exp": int(NOW.timestamp())}, None),
        ({"exp": "tomorrow"}, None),
        ({"exp": ...}, None),
        ({"exp": 10**400}, None),
        ({"iat": int(NOW.timestamp()) + 3600}, None),
        ({"merchant": "mrc_nonsense"}, None),
        ({"merchant": ids.encode("pay", MERCHANT)}, None),
        ({"scope": ["admin"]}, None),
        ({"livemode": "false"}, None),
        ({"sub": ...}, None),
        ({}, {"kid": "another"}),
        ({}, {"kid": None}),
        ({}, {"typ": "at+jwt"}),
    ],
)
def test_claims_and_header(
    issuer: TokenIssuer, key: ECKey, changes: dict[str, Any], header: dict[str, Any] | None
):
    header = {k: v for k, v in (header or {}).items() if v is not None} or header or {}
    if header.get("kid", "") is None:
        token = jwt.encode({"alg": "ES256", "typ": "JWT"}, claims(**changes), key)
    else:
        token = signed(key, claims(**changes), **header)
    if changes == {} and not header:
        assert issuer.verify(token).merchant == MERCHANT
    else:
        with pytest.raises(Unauthenticated):
            issuer.verify(token)


def test_forged_tokens(issuer: TokenIssuer, key: ECKey):
    head, body, signature = issuer.issue(PRINCIPAL).split(".")
    public = key.as_pem(private=False)
    other = ECKey.generate_key("P-256")
    none = unpadded(json.dumps({"alg": "none", "typ": "JWT", "kid": key.kid}).encode())
    hs256 = unpadded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": key.kid}).encode())
    mac = hmac.new(public, f"{hs256}.{body}".encode(), hashlib.sha256).digest()
    embedded = {"jwk": other.as_dict(private=False), "kid": key.kid}
    admin = unpadded(json.dumps(claims(scope="admin")).encode())
    forgeries = {
        "none, no signature": f"{none}.{body}.",
        "none, old signature": f"{none}.{body}.{signature}",
        "public key as HMAC secret": f"{hs256}.{body}.{unpadded(mac)}",
        "HS256 by the library": jwt.encode(
            {"alg": "HS256", "kid": key.kid}, claims(), OctKey.import_key(b"k" * 32)
        ),
        "another key": signed(other, claims(), kid=key.kid),
        "another key in the header": signed(other, claims(), **embedded),
        "tampered claims": f"{head}.{admin}.{signature}",
        "tampered signature": f"{head}.{body}.{signature[:-4]}AAAA",
        "signature of zeros": f"{head}.{body}.{unpadded(bytes(64))}",
        "no signature": f"{head}.{body}.",
        "empty": "..",
        "not base64": f"{head}.{body}.ä",
        "claims that are a list": f"{head}.{unpadded(b'[]')}.{signature}",
        "too long": f"{head}.{'A' * 5000}.{signature}",
    }
    for name, token in forgeries.items():
        with pytest.raises(Unauthenticated):
            pytest.fail(f"{name}: {issuer.verify(token)}")


def test_forgetting_a_client_makes_its_tokens_looked_at_again(issuer: TokenIssuer):
    token = issuer.issue(PRINCIPAL)
    issuer.verify(token)
    issuer.forget("cli_x")
    assert issuer.verify(token) == PRINCIPAL
