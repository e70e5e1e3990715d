"""The promoted model, swapped while the service runs.

Belongs here: watching the bundle file, verifying it off the event loop, keeping the last good
one. Does not: the format and its checks (`models.fraud.bundle`).
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import structlog

from models.fraud.bundle import Bundle, BundleRefused, load_runtime, read_bundle
from models.fraud.features import feature_names, feature_set_hash

log = structlog.get_logger("khata.risk")

_INTERVAL_S: Final = 1.0
Stamp = tuple[int, int, int]


class ChampionModel:
    """`bundle` is the last good one, or None; `refusal` is why a newer one is not in use."""

    def __init__(self, path: Path | None) -> None:
        self.bundle: Bundle | None = None
        self.refusal: str | None = "no bundle was published" if path else "switched off"
        self._path = path
        self._stamp: Stamp | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what is there and watch for what comes."""
        if self._path is None:
            return
        await asyncio.to_thread(load_runtime)  # takes long once: not in the middle of a request
        await self.refresh()
        self._watcher = asyncio.create_task(self._watch(), name="risk-champion")

    async def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher

    async def refresh(self) -> None:
        """Swap the model if its file changed and the new one is good."""
        if self._path is None:
            return
        stamp = await asyncio.to_thread(_stamp_of, self._path)
        if stamp == self._stamp or stamp is None:
            return  # a file that vanished takes no model away
        self._stamp = stamp
        try:
            bundle = await asyncio.to_thread(
                read_bundle, self._path, feature_names(), feature_set_hash()
            )
        except BundleRefused as refusal:
            self._refuse(refusal.reason)
            return
        self.bundle, self.refusal = bundle, None
        log.info("model_loaded", version=bundle.version, run_id=bundle.manifest.run_id)

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        in_use = self.bundle.version if self.bundle else None
        log.error("model_refused", path=str(self._path), reason=reason, in_use=in_use)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                await self.refresh()
            except Exception:  # the watch must outlive one bad look at the disk
                log.exception("model_watch_failed", path=str(self._path))


def _stamp_of(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
