"""The rails of this service, by name."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import httpx

from online.kernel.clock import Clock
from online.platform.settings import PaymentRoute, RouteTimeouts
from online.platform.settings import Rails as RailSettings
from online.rails.bulkhead import Slots
from online.rails.codes import Dialect
from online.rails.domain import CardSource, Rail
from online.rails.http_rail import HttpRail, Limits, Timeouts, new_client
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
    settings: RailSettings,
    clock: Clock | None = None,
) -> Rails:
    """Every configured route's rail, and the bank that pays merchants out.

    Without a `payout_url` the bank is looked for beside the first route, as in the sandbox.
    """
    slots = {
        route.name: Slots(
            operations=route.max_in_flight or settings.max_in_flight,
            enquiries=settings.max_enquiries_in_flight,
        )
        for route in routes
    }
    slots[PAYOUT_RAIL] = Slots(
        operations=settings.max_in_flight, enquiries=settings.max_enquiries_in_flight
    )
    # A rail's slots are its part of the pool: no call ever waits for another rail's connection.
    client = new_client(connections=sum(each.total for each in slots.values()))
    payout_url = settings.payout_url or _beside(routes[0].url)

    def rail(name: str, url: str, dialect: Dialect, timeouts: Timeouts) -> HttpRail:
        limits = Limits(timeouts=timeouts, slots=slots[name])
        return HttpRail(
            name, url, client=client, dialect=dialect, cards=cards, limits=limits, clock=clock
        )

    rails: list[Rail] = [
        rail(route.name, route.url, _dialect(route), _timeouts(settings, route.timeouts))
        for route in routes
    ]
    rails.append(rail(PAYOUT_RAIL, payout_url, "payout", _timeouts(settings, RouteTimeouts())))
    return Rails(rails, client)


def _timeouts(settings: RailSettings, own: RouteTimeouts) -> Timeouts:
    return Timeouts(
        connect_s=(own.connect_ms or settings.connect_ms) / 1_000,
        write_s=(own.write_ms or settings.write_ms) / 1_000,
        read_s=(own.read_ms or settings.read_ms) / 1_000,
        pool_s=(own.pool_ms or settings.pool_ms) / 1_000,
    )


def _beside(url: str) -> str:
    return f"{url.rstrip('/').rpartition('/')[0]}/{PAYOUT_RAIL}"


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


def dialects(routes: Sequence[PaymentRoute]) -> Mapping[str, Dialect]:
    """Whose codes mean what: of every rail by its name."""
    return {route.name: _dialect(route) for route in routes} | {PAYOUT_RAIL: "payout"}


def _dialect(route: PaymentRoute) -> Dialect:
    return "upi" if "upi" in route.methods else "card"
