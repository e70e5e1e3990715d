"""The rails' secrets: one key file a rail, of which the two newest are live.

Changing one: `python -m online rail-secret RAIL --rotate` adds the new one and prints it, the
service is started again, the rail is told. The one before it holds until the next change.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from online.security.keyfiles import KeyRing, add_key, load_key_ring

_LIVE: Final = 2


class RailSecrets:
    """By rail. A rail that there is not has a secret that nobody knows: refusing it takes as long
    as refusing a wrong signature."""

    def __init__(self, rings: Mapping[str, KeyRing]) -> None:
        self._live = {
            rail: {version: ring.key(version) for version in ring.versions[-_LIVE:]}
            for rail, ring in rings.items()
        }
        self._decoy = dict.fromkeys(range(_LIVE), os.urandom(32))

    def __contains__(self, rail: str) -> bool:
        return rail in self._live

    def of(self, rail: str) -> Mapping[int, bytes]:
        """By version; at most two."""
        return self._live.get(rail, self._decoy)


def load_rail_secrets(keys: Path, rails: Iterable[str]) -> RailSecrets:
    """Those in the folder `keys`; the first secret of a rail that has none is made."""
    return RailSecrets({rail: load_key_ring(*_place(keys, rail)) for rail in rails})


def newest_secret(keys: Path, rail: str) -> bytes:
    """What the rail signs with."""
    ring = load_key_ring(*_place(keys, rail))
    return ring.key(ring.current)


def rotate(keys: Path, rail: str) -> bytes:
    """Adds a secret; the one before it stays live, any older one is gone."""
    newest_secret(keys, rail)
    ring = add_key(*_place(keys, rail), keep=_LIVE)
    return ring.key(ring.current)


def _place(keys: Path, rail: str) -> tuple[Path, str]:
    return keys / f"rail_{rail}.key", f"rail_{rail}"
