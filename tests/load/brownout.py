"""One rail fails 60 % of its calls, is healed, and then hangs: what payers of the others notice.

`python -m tests.load.brownout 15 40`: each phase takes 15 seconds, with 40 payments a second. The
whole sandbox is run as `python -m online dev` runs it, over HTTP, with the banks in their own
process and a fault script set while it runs. Payments come at a fixed rate, whatever became of
those before. Most UPI payments ask for `cost`: they stay with the cheapest rail, which is the one
that fails, until its breaker opens; those that ask for `balanced` may turn away earlier. Cards go
by rails that nothing happens to. With each payment an intent is made, which asks no rail: how long
that takes says how busy the machine is at that moment, so latencies are compared as multiples of
it. Prints one line of JSON a figure; compare ratios, not values.
"""

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.dev import Dev
from tests.load.stage import Figure

ROUTE = "upi_hdfc"
# Less than in production (a minute, 200 calls): so a phase may be short as well.
WINDOW_S, WINDOW_CALLS, REST_S = 10, 30, 2
SETTINGS = {
    "KHATA_SERVER__WORKERS": "1",  # the breakers that we ask for are all there are
    "KHATA_BREAKERS__WINDOW_S": str(WINDOW_S),
    "KHATA_BREAKERS__WINDOW_CALLS": str(WINDOW_CALLS),
    "KHATA_BREAKERS__REST_S": str(REST_S),
}
BROWNOUT = {"rails": {ROUTE: {"mix": {"authorize": {"technical_decline": 0.6}}}}}
HANGS = {"rails": {ROUTE: {"mix": {"authorize": {"timeout_then_success": 1.0}}}}}
HEALTHY: dict[str, Any] = {"rails": {}}
_LOOK_EVERY_S = 0.1


@dataclass(frozen=True)
class Paid:
    """One payment as its payer saw it; `rail` is the last one that was tried."""

    method: str
    status: str
    rail: str | None
    seconds: float


@dataclass
class Phase:
    """What was paid in it, and when the breaker changed, in seconds since its start."""

    name: str
    paid: list[Paid] = field(default_factory=list)
    controls: list[float] = field(default_factory=list)  # seconds to make an intent
    states: list[tuple[float, str]] = field(default_factory=list)

    @property
    def success(self) -> float:
        return sum(each.status == "captured" for each in self.paid) / len(self.paid)

    def card_ms(self, part: float) -> float:
        """How long payers by the other rails waited, at this part of them (0.95)."""
        return 1000 * quantile([p.seconds for p in self.paid if p.method == "card"], part)

    def card_multiple(self, part: float) -> float:
        """The same as a multiple of what a call took at that time that asks no rail."""
        return self.card_ms(part) / 1000 / quantile(self.controls, part)

    def reached(self, state: str) -> float | None:
        """When the breaker was first seen so."""
        return next((at for at, seen in self.states if seen == state), None)


def quantile(values: Iterable[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def together(*phases: Phase) -> Phase:
    """Of all of these, for what they have in common."""
    paid = [each for phase in phases for each in phase.paid]
    return Phase("+".join(p.name for p in phases), paid, [c for p in phases for c in p.controls])


class Town:
    """Payers, somebody who breaks a rail, and somebody who watches its breaker."""

    def __init__(self, dev: Dev, client: httpx.AsyncClient, card: str) -> None:
        self._dev = dev
        self._client = client
        self._card = card
        self._headers = {"Authorization": f"Bearer {dev.token()}"}
        self._numbers = count()

    async def phase(self, name: str, script: dict[str, Any], seconds: float, rate: int) -> Phase:
        """`rate` payments a second for so long, under a fault script; waits for each answer."""
        await self._set(script)
        phase, started = Phase(name), time.perf_counter()
        watching = asyncio.ensure_future(self._watch(phase, started))
        payers = []
        for number in range(round(seconds * rate)):
            await asyncio.sleep(max(0.0, started + number / rate - time.perf_counter()))
            payers.append(asyncio.ensure_future(self._pay(phase)))
            payers.append(asyncio.ensure_future(self._control(phase)))
        await asyncio.gather(*payers)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        return phase

    async def _set(self, script: dict[str, Any]) -> None:
        url = f"{self._dev.about['sandbox_url']}/admin/script"
        answer = await self._client.put(url, json={"seed": 7, **script})
        assert answer.status_code < 300, answer.text

    async def _pay(self, phase: Phase) -> None:
        number = next(self._numbers)
        upi = number % 2 == 0
        method = (
            {"type": "upi", "upi": {"flow": "intent", "vpa": f"payer{number % 200}@okbank"}}
            if upi
            else {"type": "card", "card": {"token": self._card}}
        )
        body = {
            "amount": 100_00 + number % 1_000,
            "payment_method": method,
            "priority": "balanced" if number % 8 == 0 else "cost",
            "device_id": f"phone-{number}",
        }
        started = time.perf_counter()
        answer = await self._client.post(
            f"{self._dev.base_url}/api/v1/payments",
            json=body,
            headers=self._headers | {"Idempotency-Key": f"brownout-{number}"},
        )
        took = time.perf_counter() - started
        shown = answer.json()
        status = shown["status"] if answer.status_code < 300 else shown["code"]
        phase.paid.append(Paid("upi" if upi else "card", status, shown.get("rail"), took))

    async def _control(self, phase: Phase) -> None:
        started = time.perf_counter()
        answer = await self._client.post(
            f"{self._dev.base_url}/api/v1/intents", json={"amount": 100}, headers=self._headers
        )
        assert answer.status_code == 201, answer.text
        phase.controls.append(time.perf_counter() - started)

    async def _watch(self, phase: Phase, started: float) -> None:
        while True:
            state = await self.state()
            if not phase.states or phase.states[-1][1] != state:
                phase.states.append((time.perf_counter() - started, state))
            await asyncio.sleep(_LOOK_EVERY_S)

    async def state(self) -> str:
        """Of the breaker of authorizations by the route that fails."""
        answer = await self._client.get(
            f"{self._dev.base_url}/api/v1/routes",
            headers={"Authorization": f"Bearer {self._dev.about['admin_token']}"},
        )
        assert answer.status_code == 200, answer.text
        (route,) = (each for each in answer.json()["data"] if each["name"] == ROUTE)
        states = (each["state"] for each in route["breakers"] if each["operation"] == "authorize")
        return next(states, "closed")


@contextlib.asynccontextmanager
async def town(dev: Dev) -> AsyncIterator[Town]:
    headers = {"Authorization": f"Bearer {dev.token()}"}
    async with httpx.AsyncClient(timeout=40, limits=httpx.Limits(max_connections=500)) as client:
        card = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2035}
        made = await client.post(f"{dev.base_url}/api/v1/cards/tokens", json=card, headers=headers)
        assert made.status_code == 201, made.text
        yield Town(dev, client, made.json()["id"])


async def measure(dev: Dev, seconds: float, rate: int) -> dict[str, Phase]:
    """Healthy, brown-out, healed, hanging, healed again."""
    phases = {}
    async with town(dev) as here:
        await here.phase("warm", HEALTHY, 2, rate)
        for name, script in (
            ("healthy", HEALTHY),
            ("brownout", BROWNOUT),
            ("healed", HEALTHY),
            ("hangs", HANGS),
        ):
            phases[name] = await here.phase(name, script, seconds, rate)
    return phases


def figures(phases: dict[str, Phase]) -> list[Figure]:
    """Against the same payments in the same run while nothing failed, before and after."""
    calm = together(phases["healthy"], phases["healed"])
    brownout, healed, hangs = phases["brownout"], phases["healed"], phases["hangs"]
    healthy = 100 * phases["healthy"].success
    opened, closed = brownout.reached("open"), healed.reached("closed")
    return [
        Figure("brownout_success", 100 * brownout.success, healthy, "%"),
        *(_noticed(phase, calm) for phase in (brownout, hangs)),
        Figure("brownout_opens_after", -1 if opened is None else opened, WINDOW_S, "s"),
        Figure("brownout_closes_after", -1 if closed is None else closed, REST_S, "s"),
        Figure("hang_success", 100 * hangs.success, healthy, "%"),
    ]


def _noticed(phase: Phase, calm: Phase) -> Figure:
    """The other rails' p95 as a multiple of the control's, against the same while all was well."""
    more = {"p95_ms": round(phase.card_ms(0.95), 1), "calm_p95_ms": round(calm.card_ms(0.95), 1)}
    name = f"{phase.name}_other_rails_p95"
    return Figure(name, phase.card_multiple(0.95), calm.card_multiple(0.95), "× control", more)


def main() -> None:
    seconds, rate = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (15, 40)
    with (
        tempfile.TemporaryDirectory(prefix="khata-brownout-") as folder,
        Dev(Path(folder) / "dev", SETTINGS) as dev,
    ):
        phases = asyncio.run(measure(dev, seconds, rate))
    for figure in figures(phases):
        print(json.dumps(figure.as_line()), flush=True)


if __name__ == "__main__":
    main()
