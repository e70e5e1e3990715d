"""Everything of this slice for `app.py`, made from settings."""

from litestar.di import Provide
from msgspec import Struct

from online.kernel.clock import Clock
from online.platform.db import Database
from online.platform.settings import Settings
from online.security.gate import AdminToken, Gate, MerchantPolicies, principal_of
from online.security.keyfiles import load_key_ring
from online.security.rate_limits import RateLimiter
from online.security.service import Credentials
from online.security.tokens import TokenIssuer


class Security(Struct, frozen=True, kw_only=True):
    tokens: TokenIssuer
    credentials: Credentials
    limiter: RateLimiter
    gate: Gate

    @property
    def dependencies(self) -> dict[str, Provide]:
        """For `Litestar(dependencies=…)`: principal, credentials, tokens, rate_limiter."""
        return {
            "principal": Provide(principal_of, sync_to_thread=False),
            "credentials": Provide(lambda: self.credentials, sync_to_thread=False),
            "tokens": Provide(lambda: self.tokens, sync_to_thread=False),
            "rate_limiter": Provide(lambda: self.limiter, sync_to_thread=False),
        }


def build_credentials(settings: Settings, database: Database, clock: Clock) -> Credentials:
    """Enough to make merchants and keys, for a command that serves nothing."""
    return _credentials(settings, database, clock, _tokens(settings, clock))


def build_security(
    settings: Settings,
    database: Database,
    clock: Clock,
    policies: MerchantPolicies,
    *,
    admin_token: str | None,
) -> Security:
    tokens = _tokens(settings, clock)
    credentials = _credentials(settings, database, clock, tokens)
    limiter = RateLimiter(settings.rate_limits, workers=settings.server.workers)
    gate = Gate(
        tokens=tokens,
        credentials=credentials,
        limiter=limiter,
        policies=policies,
        clock=clock,
        admin_token=AdminToken(admin_token),
    )
    return Security(tokens=tokens, credentials=credentials, limiter=limiter, gate=gate)


def _tokens(settings: Settings, clock: Clock) -> TokenIssuer:
    key_file = settings.data_dir / "keys" / "access_tokens.json"
    return TokenIssuer(key_file, clock, ttl_s=settings.security.jwt_ttl_s)


def _credentials(
    settings: Settings, database: Database, clock: Clock, tokens: TokenIssuer
) -> Credentials:
    ring = load_key_ring(settings.data_dir / "keys" / "request_signing.key", "request_signing")
    return Credentials(database, clock, tokens, ring)
