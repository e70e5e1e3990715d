"""Routing as a process of the service has it, wired once."""

from online.kernel.clock import Clock
from online.platform.settings import ROOT, Settings
from online.routing.breakers import Book, LocalBreakers
from online.routing.policy import load_policy
from online.routing.service import Routing, routes_of
from online.routing.shared import SharedBreakers


def build_routing(settings: Settings, clock: Clock) -> Routing:
    routes = routes_of(settings.payment_routes)
    policy = load_policy(ROOT / settings.routing.policy, routes)
    return Routing(routes, _book(settings), policy, clock)


def _book(settings: Settings) -> Book:
    if settings.redis.enabled:
        return SharedBreakers(settings.breakers, settings.redis)
    return LocalBreakers(settings.breakers)
