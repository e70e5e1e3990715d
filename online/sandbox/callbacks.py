"""Tells the gateway that a pending operation has ended or that a dispute has moved, once and
without a promise.

Belongs here: the nudge. Does not: its content; the gateway enquires and believes only that.
"""

import asyncio
import logging

import httpx

_LOG = logging.getLogger(__name__)


class Nudger:
    """Posts to `{callback_url}/internal/rails/{rail}/…`; no URL: does nothing."""

    def __init__(self, callback_url: str | None) -> None:
        self._url = callback_url.rstrip("/") if callback_url else None
        self._client: httpx.AsyncClient | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def nudge(
        self, rail: str, reference: str, *, to: str = "callbacks", after_s: float = 0
    ) -> None:
        """Send in the background, `after_s` from now; `to` is the last part of the address."""
        if self._url is None:
            return
        task = asyncio.create_task(self._send(rail, reference, to, after_s))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        if self._client is not None:
            await self._client.aclose()

    async def _send(self, rail: str, reference: str, to: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=2.0, trust_env=False)
        url = f"{self._url}/internal/rails/{rail}/{to}"
        try:
            await self._client.post(url, json={"reference": reference})
        except httpx.HTTPError as error:
            _LOG.info("callback for %s not delivered: %s", reference, error)
