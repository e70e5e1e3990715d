"""The rails of this service, by name."""

from collections.abc import Iterable, Sequence
from typing import Final

import httpx

from online.kernel.clock import Clock
from online.platform.settings import PaymentRoute
from online.rails.codes import Dialect
from online.rails.domain import CardSource, Rail
from online.rails.http_rail import HttpRail, Timeouts, new_client
from online.rails.in_process import InProcessRail

PAYOUT_RAIL: Final = "bank_hdfc"


class Rails:
    """`rails["upi_hdfc"]`; close it when the service stops."""

    def __init__(self, rails: Iterable[Rail], client: httpx.AsyncClient | None = None) -> None:
        self._rails = {rail.name: rail for rail in rails}
        self._client = client

    def __getitem__(self, name: str) -> Rail:
        return self._rails[name]

    def __contains__(self, name: str) -> bool:
        return name in self._rails

    @property
    def names(self) -> list[str]:
        return list(self._rails)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()


def http_rails(
    routes: Sequence[PaymentRoute],
    cards: CardSource,
    *,
    payout_url: str | None = None,
    timeouts: Timeouts | None = None,
) -> Rails:
    """Every configured route's rail, and the bank that pays merchants out.

    Without a `payout_url` the bank is looked for beside the first route, as in the sandbox.
    """
    client = new_client(timeouts)
    payout_url = payout_url or f"{routes[0].url.rstrip('/').rpartition('/')[0]}/{PAYOUT_RAIL}"
    rails: list[Rail] = [
        HttpRail(route.name, route.url, client=client, dialect=_dialect(route), cards=cards)
        for route in routes
    ]
    rails.append(HttpRail(PAYOUT_RAIL, payout_url, client=client, dialect="payout"))
    return Rails(rails, client)


def in_process_rails(
    routes: Sequence[PaymentRoute], cards: CardSource | None = None, clock: Clock | None = None
) -> Rails:
    """The same names without a network, for benchmarks and tests."""
    rails: list[Rail] = [
        InProcessRail(route.name, dialect=_dialect(route), cards=cards, clock=clock)
        for route in routes
    ]
    rails.append(InProcessRail(PAYOUT_RAIL, dialect="payout"))
    return Rails(rails)


def _dialect(route: PaymentRoute) -> Dialect:
    return "upi" if "upi" in route.methods else "card"
