"""The models in use, swapped while the service runs.

Belongs here: watching the bundle files, verifying them off the event loop, keeping the last good
ones. Does not: the format and its checks (`models.fraud.bundle`), or what a score is for
(`scoring`).
"""

import asyncio
import contextlib
from pathlib import Path
from typing import Final

import structlog

from models.fraud.bundle import Bundle, BundleRefused, load_runtime, read_bundle
from models.fraud.features import feature_names, feature_set_hash
from online.platform import metrics

log = structlog.get_logger("khata.risk")

_INTERVAL_S: Final = 1.0
Stamp = tuple[int, int, int]


class ModelFile:
    """`bundle` is the last good one, or None; `refusal` is why a newer one is not in use.

    `outlives_file`: whether the model stays in use when its file vanishes.
    """

    def __init__(self, path: Path | None, role: metrics.Role, *, outlives_file: bool) -> None:
        self.bundle: Bundle | None = None
        self.refusal: str | None = "no bundle was published" if path else "switched off"
        self.role: Final = role
        self._path = path
        self._outlives_file = outlives_file
        self._stamp: Stamp | None = None

    async def refresh(self) -> None:
        """Swap the model if its file changed and the new one is good."""
        if self._path is None:
            return
        stamp = await asyncio.to_thread(_stamp_of, self._path)
        if stamp is None and self._outlives_file:
            return
        if stamp == self._stamp:
            return
        self._stamp = stamp
        if stamp is None:
            self._use(None)
            return
        try:
            bundle = await asyncio.to_thread(
                read_bundle, self._path, feature_names(), feature_set_hash()
            )
        except BundleRefused as refusal:
            self._refuse(refusal.reason)
            return
        self._use(bundle)

    def _use(self, bundle: Bundle | None) -> None:
        """From the next assessment on. The one before is freed with its last assessment."""
        self.bundle, self.refusal = bundle, None if bundle else "no bundle was published"
        version = bundle.version if bundle else None
        metrics.model_in_use(self.role, version)
        run_id = bundle.manifest.run_id if bundle else None
        log.info("model_in_use", role=self.role, version=version, run_id=run_id)

    def _refuse(self, reason: str) -> None:
        self.refusal = reason
        metrics.model_refused(self.role)
        in_use = self.bundle.version if self.bundle else None
        log.error(
            "model_refused", role=self.role, path=str(self._path), reason=reason, in_use=in_use
        )


class Models:
    """The champion at `path`, which decides, and the challenger beside it, which does not."""

    def __init__(self, path: Path | None) -> None:
        self.champion: Final = ModelFile(path, "champion", outlives_file=True)
        beside = path and path.with_name(f"{path.stem}-challenger{path.suffix}")
        self.challenger: Final = ModelFile(beside, "challenger", outlives_file=False)
        self._watched = path is not None
        self._watcher: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load what is there and watch for what comes."""
        if not self._watched:
            return
        await asyncio.to_thread(load_runtime)  # takes long once: not in the middle of a request
        await self.refresh()
        self._watcher = asyncio.create_task(self._watch(), name="risk-models")

    async def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher

    async def refresh(self) -> None:
        """Look at both files once."""
        await self.champion.refresh()
        await self.challenger.refresh()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_S)
            try:
                await self.refresh()
            except Exception:  # the watch must outlive one bad look at the disk
                log.exception("model_watch_failed")


def _stamp_of(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except OSError:  # not there, or not to be reached: the same to us
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
