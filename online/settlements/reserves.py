"""Rolling reserves: what a settlement held back comes free on its day, once."""

from typing import Final

import structlog

from online.kernel import events as ev
from online.kernel.clock import Clock, business_date
from online.kernel.events import Metadata
from online.ledger import accounts as chart
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.merchants.service import Merchants
from online.platform.db import Database
from online.settlements import outcomes, store
from online.settlements.store import SETTLEMENTS

_A_ROUND: Final = 500

_log = structlog.get_logger(__name__)


class Reserves:
    def __init__(
        self, database: Database, writer: Writer, clock: Clock, merchants: Merchants
    ) -> None:
        self._database = database
        self._writer = writer
        self._clock = clock
        self._merchants = merchants

    async def release_due(self, metadata: Metadata) -> int:
        """Gives back the tranches whose day has come, to be settled with that day; answers how
        many. Whoever is second finds the settlement moved, and leaves it."""
        now = self._clock.now()
        today = business_date(now)
        async with self._database.connection() as connection:
            due = await store.to_release(connection, today, _A_ROUND)
        if not due:
            return 0
        merchants = await self._merchants.get_all({each.merchant_id for each in due})
        changes = []
        for settlement in due:
            terms = merchants[settlement.merchant_id]
            pending = chart.merchant_pending(terms.id, terms.exposure_limit_minor)
            event = ev.SettlementReserveReleased(
                amount=settlement.reserve_minor, business_date=today.isoformat()
            )
            moved = SETTLEMENTS.move(settlement, [event], now, metadata)
            journal = outcomes.reserve_released(settlement, pending, now)
            changes.append(Change(snapshots=(moved.row,), events=moved.events, journals=(journal,)))
        refusals = await self._writer.submit_all(changes)
        for settlement, refusal in zip(due, refusals, strict=True):
            if refusal is not None:
                _log.info("reserve_left", settlement=settlement.reference, why=str(refusal))
        return sum(refusal is None for refusal in refusals)
