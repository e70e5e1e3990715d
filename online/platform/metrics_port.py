"""One listener for the metrics of all workers, on a port that is no part of the API.

Belongs here: adding the workers' numbers up when Prometheus asks. Does not: what is counted
(`metrics`).

Each worker process counts into files of its own below `PROMETHEUS_MULTIPROC_DIR`; the process that
starts the workers reads them. The library looks for that folder when it is imported, so it is
imported here, once the folder is there, and the workers inherit both.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import structlog

log = structlog.get_logger("khata.metrics")

_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_LIVE_FILE: Final = re.compile(r"gauge_live[a-z]*_(\d+)\.db")


@contextmanager
def served(host: str, port: int) -> Iterator[None]:
    """Listen while workers run that are started in this context.

    A port that is taken costs the metrics, not the payments: whoever scrapes sees `up` fall.
    """
    with tempfile.TemporaryDirectory(prefix="khata-metrics-") as folder:
        os.environ[_FOLDER] = folder
        server = _listen(host, port, Path(folder))
        try:
            yield
        finally:
            if server is not None:
                server.shutdown()


def _listen(host: str, port: int, folder: Path) -> Any:
    from prometheus_client import start_http_server  # noqa: PLC0415 - see above

    try:
        server, _ = start_http_server(port, host, registry=registry_of(folder))
    except OSError:
        log.exception("metrics_not_served", host=host, port=port)
        return None
    return server


def registry_of(folder: Path) -> Any:
    """All workers' numbers as one; what only lives with a worker goes when it does."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - see above

    registry = CollectorRegistry()
    registry.register(_Workers(folder))
    return registry


class _Workers:
    """A collector of Prometheus' library over one folder."""

    def __init__(self, folder: Path) -> None:
        from prometheus_client import multiprocess  # noqa: PLC0415 - see above

        self._folder = folder
        self._library: Any = multiprocess

    def collect(self) -> Any:
        for file in self._folder.glob("gauge_live*.db"):
            found = _LIVE_FILE.fullmatch(file.name)
            if found and not _runs(int(found[1])):
                self._library.mark_process_dead(int(found[1]), str(self._folder))
        return self._library.MultiProcessCollector(None, str(self._folder)).collect()


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
