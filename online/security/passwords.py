"""Client secrets: made here, shown once, kept as argon2id hashes."""

import asyncio
import os
import secrets
from functools import cache
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

# OWASP's first choice for argon2id; the secrets are 256 random bits, so this is ample.
_MEMORY_KIB: Final = 19 * 1024
_ITERATIONS: Final = 2
_LANES: Final = 1
# Each verification takes a core for tens of milliseconds: a flood of them may not take them all.
_AT_ONCE: Final = 2


def new_secret(prefix: str) -> str:
    """256 random bits as text, with a prefix that secret scanners can be taught."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"


def hash_secret(secret: str) -> str:
    """The PHC string to store. Slow on purpose: call it in a thread."""
    argon2 = Argon2id(
        salt=os.urandom(16),
        length=32,
        iterations=_ITERATIONS,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return argon2.derive_phc_encoded(secret.encode())


class SecretVerifier:
    """Compares off the event loop, a few at a time, and as slowly for a client nobody knows."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def verify(self, secret: str, secret_hash: str | None) -> bool:
        async with self._turns:
            matches = await asyncio.to_thread(_matches, secret, secret_hash or _decoy())
        return matches and secret_hash is not None


@cache
def _decoy() -> str:
    """A hash that nobody has the secret of."""
    return hash_secret(secrets.token_urlsafe(32))


def _matches(secret: str, secret_hash: str) -> bool:
    try:
        Argon2id.verify_phc_encoded(secret.encode(), secret_hash)
    except InvalidKey:
        return False
    return True
