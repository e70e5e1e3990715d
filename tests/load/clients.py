"""Clients that pay over HTTP, one after another, each on a connection of its own.

They share the cores with what they measure, so they do no more than a merchant's server must:
sign, send, and look whether a captured payment came back.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field
from typing import cast

import uvloop

from online.kernel.clock import SystemClock

PATH = "/api/v1/payments"
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


@dataclass(frozen=True)
class Merchant:
    token: str
    key_id: str
    secret: bytes


@dataclass(frozen=True)
class Load:
    port: int
    merchants: list[Merchant]
    clients: int
    seconds: float


@dataclass
class Tally:
    latencies_ms: list[float] = field(default_factory=list)
    refused: int = 0
    example: str = ""

    def percentile(self, part: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def run(load: Load) -> Tally:
    """Drives `load` to its end; counts what was answered within its time."""
    tally = Tally()
    uvloop.run(_drive(load, tally))
    return tally


async def _drive(load: Load, tally: Tally) -> None:
    loop = asyncio.get_running_loop()
    end = time.perf_counter() + load.seconds
    clients = [
        _Client(load.merchants[n % len(load.merchants)], n, end, tally) for n in range(load.clients)
    ]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", load.port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))


class _Client(asyncio.Protocol):
    """Sends the next payment as soon as the last one is answered."""

    def __init__(self, merchant: Merchant, number: int, end: float, tally: Tally) -> None:
        self._merchant = merchant
        self._number = number
        self._end = end
        self._tally = tally
        self._turn = 0
        self._buffer = b""
        self._started = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own kind
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(_HEAD_END)
        if not found:
            return
        lower = head.lower()
        at = lower.find(_LENGTH) + len(_LENGTH)
        if len(body) < int(lower[at:].split(b"\r\n", 1)[0]):
            return
        self._buffer = b""
        now = time.perf_counter()
        if not (head.startswith(b"HTTP/1.1 201") and b'"status":"captured"' in body):
            self._tally.refused += 1
            self._tally.example = self._tally.example or body[:500].decode(errors="replace")
        elif now < self._end:
            self._tally.latencies_ms.append((now - self._started) * 1000)
        if now < self._end:
            self._next()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def _next(self) -> None:
        self._turn += 1
        self._started = time.perf_counter()
        self._transport.write(_request(self._merchant, self._number, self._turn))


def _request(merchant: Merchant, client: int, turn: int) -> bytes:
    """A signed payment, as a merchant's server would send it."""
    body = (
        f'{{"amount":{10_000 + turn % 1_000},"payment_method":{{"type":"upi",'
        f'"upi":{{"vpa":"user{client}x{turn % 50}@ybl"}}}}}}'
    ).encode()
    nonce = secrets.token_hex(12)
    t = int(SystemClock().now().timestamp())
    digest = hashlib.sha256(body).hexdigest()
    message = f"v1\n{t}\n{nonce}\nPOST\n{PATH}\n{digest}\n{nonce}".encode()
    v1 = hmac.digest(merchant.secret, message, "sha256").hex()
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {merchant.token}\r\nIdempotency-Key: {nonce}\r\n"
        f"Khata-Request-Signature: t={t},n={nonce},kid={merchant.key_id},v1={v1}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
