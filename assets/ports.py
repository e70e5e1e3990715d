"""What assets ask of the outside, as Protocols; `pipelines.resources` gives them.

Belongs here: the shape of a resource that is not already a type of a lower package. Does not:
an implementation.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec


class Online(Protocol):
    """Online's internal API: the one way in which offline speaks back."""

    def send_lines(self, path: str, lines: Sequence[object]) -> list[dict[str, Any]]:
        """Send NDJSON to `/internal/v1/<path>`; one answer a line, in the same order."""

    def send(self, path: str, body: object) -> dict[str, Any]:
        """Send one JSON document to `/internal/v1/<path>`."""


class Folders(msgspec.Struct, frozen=True):
    """Where files are taken from and put."""

    data: Path
    champion_bundle: Path  # the model that the service reads

    @property
    def inbox(self) -> Path:
        """Bank files arrive here."""
        return self.data / "inbox"

    @property
    def received(self) -> Path:
        """Bank files stay here once they were read."""
        return self.data / "received"

    @property
    def quarantine(self) -> Path:
        """What is wrong with each file that was quarantined, as JSON."""
        return self.data / "quarantine"

    @property
    def statements(self) -> Path:
        return self.data / "statements"

    @property
    def quality(self) -> Path:
        """Pages with the results of the column rules."""
        return self.data / "quality"

    @property
    def metrics(self) -> Path:
        """What Prometheus' node exporter collects of the model (`models.fraud.gauges`)."""
        return self.data / "metrics" / "fraud.prom"
