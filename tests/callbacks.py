"""A rail that tells the service what became of something, signed as it should be."""

import json
from datetime import timedelta
from itertools import count
from typing import Any

import httpx

from online.callbacks.secrets import newest_secret
from online.callbacks.signature import HEADER, sign
from online.services import Services

_NUMBERS = count(1)


def body_of(reference: str, status: str = "approved", **changes: Any) -> dict[str, Any]:
    """A callback about an operation; every call another id, and later in the rail's order."""
    number = next(_NUMBERS)
    return {
        "id": f"cb_{number}",
        "type": "operation",
        "reference": reference,
        "status": status,
        "code": "00" if status == "approved" else "01" if status == "pending" else "Z9",
        "rail_reference": "000000000001",
        "sequence": number,
        "occurred_at": "2026-01-05T10:00:00Z",
    } | changes


def signed(
    services: Services, rail: str, content: bytes, *, ago: timedelta = timedelta(0)
) -> dict[str, str]:
    """The headers of `content`, signed `ago` by our clock with the rail's newest secret."""
    timestamp = str(int((services.clock.now() - ago).timestamp()))
    secret = newest_secret(services.settings.data_dir / "keys", rail)
    return {HEADER: f"t={timestamp},v1={sign(secret, timestamp, content)}"}


async def tell(
    services: Services, client: httpx.AsyncClient, rail: str, body: dict[str, Any]
) -> httpx.Response:
    """Sends it, and waits until the service has made of it what it can."""
    content = json.dumps(body).encode()
    path = f"/internal/rails/{rail}/callbacks"
    answer = await client.post(path, content=content, headers=signed(services, rail, content))
    await services.callbacks.idle()
    return answer
