"""The HTTP application: routes, dependencies, lifespan. The only place that mounts anything."""

import ctypes
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from litestar import Litestar, Response, get
from litestar.di import NamedDependency, Provide

from online.approvals import routes as approvals_routes
from online.attempts import routes as attempts_routes
from online.attempts.routes import AttemptDesk
from online.balances import routes as balances_routes
from online.breaks import routes as breaks_routes
from online.callbacks import routes as callbacks_routes
from online.calls import routes as calls_routes
from online.customers import routes as customers_routes
from online.delegations import routes as delegations_routes
from online.devices import routes as devices_routes
from online.disputes import routes as disputes_routes
from online.escrows import routes as escrows_routes
from online.handles import routes as handles_routes
from online.holds import routes as holds_routes
from online.holds.routes import HoldDesk
from online.intents import routes as intents_routes
from online.intents.routes import Desk
from online.invoices import routes as invoices_routes
from online.limits import routes as limits_routes
from online.mandates import routes as mandates_routes
from online.merchants import routes as merchants_routes
from online.payments import routes as payments_routes
from online.payouts import routes as payouts_routes
from online.periods import routes as periods_routes
from online.platform import telemetry
from online.platform.http import HttpPlugin, wrap
from online.platform.openapi_page import openapi_config
from online.platform.settings import Settings, load_settings
from online.postings import routes as postings_routes
from online.refunds import routes as refunds_routes
from online.reviews import routes as reviews_routes
from online.risk import routes as risk_routes
from online.routing import routes as routing_routes
from online.screening import routes as screening_routes
from online.seals import routes as seals_routes
from online.security import routes as security_routes
from online.security.build import build_security
from online.security.domain import allow_anyone, is_signed, schemes_of
from online.services import Services, build_services
from online.settlements import routes as settlements_routes
from online.statements import routes as statements_routes
from online.traces import routes as traces_routes
from online.transfers import routes as transfers_routes
from online.upi import routes as upi_routes
from online.vault import routes as vault_routes
from online.wallets import routes as wallets_routes
from online.work import routes as work_routes

VERSION: Final = "0.6.0"


@get("/health", summary="The process is alive", tags=["operations"], opt=allow_anyone())
async def health() -> dict[str, str]:
    return {"status": "ok"}


@get("/ready", summary="The service can take payments", tags=["operations"], opt=allow_anyone())
async def ready(services: NamedDependency[Services]) -> Response[dict[str, str]]:
    """Asks the database; without a model, rules alone decide, which is ready too."""
    async with services.database.connection() as connection:
        await connection.execute("select 1")
    bundle = services.risk.models.champion.bundle
    return Response({"status": "ready", "model": bundle.version if bundle else "rules only"})


def create_app(settings: Settings, services: Services | None = None) -> Litestar:
    """The application over `services` (built from `settings` when not given)."""
    services = services or build_services(settings)
    security = build_security(
        settings,
        services.database,
        services.clock,
        services.merchants,
        admin_token=settings.security.admin_token.reveal() or None,
    )

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        await services.start()
        try:
            yield
        finally:
            await services.stop()

    app = Litestar(
        route_handlers=[
            health,
            ready,
            *(routes.router for routes in _ROUTES),
            *(routes.internal_router for routes in _INTERNAL_ROUTES),
            *security_routes.root_handlers,
        ],
        dependencies={
            **security.dependencies,
            **{k: _given(v) for k, v in _provided(services).items()},
        },
        guards=[security.gate.guard],
        lifespan=[lifespan],
        plugins=[HttpPlugin()],
        openapi_config=openapi_config(
            version=VERSION, opt=allow_anyone(), security_of=schemes_of, signed_of=is_signed
        ),
    )
    return wrap(app)


_ROUTES = (
    security_routes,
    merchants_routes,
    customers_routes,
    limits_routes,
    devices_routes,
    wallets_routes,
    handles_routes,
    delegations_routes,
    approvals_routes,
    vault_routes,
    intents_routes,
    payments_routes,
    upi_routes,
    refunds_routes,
    holds_routes,
    escrows_routes,
    mandates_routes,
    transfers_routes,
    disputes_routes,
    risk_routes,
    screening_routes,
    reviews_routes,
    settlements_routes,
    payouts_routes,
    statements_routes,
    periods_routes,
    invoices_routes,
    traces_routes,
    balances_routes,
    calls_routes,
    breaks_routes,
    postings_routes,
    seals_routes,
    work_routes,
    routing_routes,
    attempts_routes,
    callbacks_routes,
)
_INTERNAL_ROUTES = (
    callbacks_routes,
    disputes_routes,
    invoices_routes,
    settlements_routes,
    attempts_routes,
    statements_routes,
    breaks_routes,
    traces_routes,
    seals_routes,
)


def _provided(services: Services) -> dict[str, object]:
    """What handlers may ask for, by name."""
    desk = Desk(
        intents=services.intents,
        payments=services.payments,
        merchants=services.merchants,
        customers=services.customers,
        instruments=services.instruments,
        clock=services.clock,
    )
    return {
        "callbacks": services.callbacks,
        "attempt_desk": AttemptDesk(
            database=services.database,
            attempts=services.attempts,
            clock=services.clock,
            resolve=services.resolve,
        ),
        "services": services,
        "clock": services.clock,
        "merchants": services.merchants,
        "customers": services.customers,
        "devices": services.devices,
        "wallets": services.wallets,
        "top_ups": services.top_ups,
        "handles": services.handles,
        "delegations": services.delegations,
        "approvals": services.approvals,
        "limits": services.limits,
        "upi": services.upi,
        "vault": services.vault,
        "instruments": services.instruments,
        "payments": services.payments,
        "assessor": services.assessor,
        "risk_lists": services.screening.lists,
        "risk_terms": services.screening.terms,
        "labels": services.labels,
        "reviews": services.reviews,
        "refunds": services.refunds,
        "mandates": services.mandates.mandates,
        "stopping": services.mandates.stopping,
        "executions": services.mandates.executions,
        "payers": services.mandates.payers,
        "transfers": services.transfers,
        "disputes": services.disputes,
        "escrows": services.escrows,
        "hold_desk": HoldDesk(
            holds=services.holds,
            payments=services.payments,
            instruments=services.instruments,
            clock=services.clock,
        ),
        "settlements": services.settlements,
        "beneficiaries": services.beneficiaries,
        "payouts": services.payouts,
        "returns": services.returns,
        "statements": services.statements,
        "periods": services.periods,
        "invoices": services.invoices,
        "traces": services.traces,
        "balances": services.balances,
        "calls": services.calls,
        "breaks": services.breaks,
        "workflow": services.break_workflow,
        "postings": services.postings,
        "seals": services.seals,
        "routing": services.routing,
        "work": services.work,
        "desk": desk,
    }


def _given(value: object) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, sync_to_thread=False, use_cache=True)


def from_environment() -> Litestar:
    """What a worker process of the server runs: settings from files and the environment."""
    _die_with_parent()
    telemetry.configure()
    return create_app(load_settings())


def _die_with_parent() -> None:
    """A worker whose supervisor was killed must not go on holding the port."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
        if os.getppid() == 1:
            sys.exit("the server that started this worker is gone")
