"""Wires the slice from the settings and what it calls."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from online.attempts.domain import Attempt
from online.attempts.service import Attempts
from online.callbacks.secrets import load_rail_secrets
from online.callbacks.service import Callbacks, Collaborators
from online.disputes.service import Disputes
from online.kernel.clock import Clock
from online.kernel.events import Metadata
from online.mandates.service import Mandates
from online.platform.db import Database
from online.platform.settings import Settings
from online.rails.domain import Outcome
from online.rails.registry import Rails, dialects
from online.security.keyfiles import load_key_ring
from online.security.sealing import Sealer


def build_callbacks(
    settings: Settings,
    *,
    database: Database,
    clock: Clock,
    attempts: Attempts,
    rails: Rails,
    disputes: Disputes,
    mandates: Mandates,
    resolve: Callable[[Attempt, str, Outcome], Awaitable[None]],
) -> Callbacks:
    """`resolve` lets the slice that ordered an attempt record how it ended."""

    async def hear_dispute(rail: str, reference: str, actor: str) -> bool:
        taken = await disputes.hear(rail, reference, Metadata(actor=actor))
        return taken is not None

    keys = settings.data_dir / "keys"
    known = dialects(settings.payment_routes)
    return Callbacks(
        Collaborators(
            database=database,
            clock=clock,
            attempts=attempts,
            rails=rails,
            dialects=known,
            secrets=load_rail_secrets(keys, known),
            sealer=Sealer(load_key_ring(keys / "rail_callbacks.key", "rail_callbacks")),
            resolve=resolve,
            hear={"dispute": hear_dispute, "mandate": mandates.hear},
            keep=timedelta(days=settings.callbacks.keep_days),
            max_tries=settings.callbacks.max_tries,
        )
    )
