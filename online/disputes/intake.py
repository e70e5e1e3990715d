"""Taking in news: the one way by which a dispute begins, is won or is lost.

News comes as a rail's answer and as lines of its file, several times and in any order. Each
dispute is decided by itself, from what is recorded at that moment; when somebody else records
something meanwhile, it is decided again.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Protocol

import msgspec
import structlog

from online.attempts.service import Attempts
from online.disputes import outcomes, store
from online.disputes.domain import Dispute, DisputeConflict, News, steps
from online.disputes.outcomes import Facts
from online.disputes.store import DISPUTES
from online.disputes.terms import Terms
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock
from online.kernel.errors import InvalidRequest, KhataError, NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change
from online.ledger.journal import Journal
from online.ledger.writer import Writer
from online.merchants.service import Merchants
from online.payments import late
from online.payments.domain import Payment
from online.payments.escrowed import Chargeback, Disputed, Escrowed
from online.payments.fees import FeeTable
from online.payments.orders import NOTHING, Followed
from online.payments.service import Payments
from online.platform.db import Database
from online.rails.domain import Rail
from online.risk import labels

_AT_ONCE: Final = 8  # each reads and commits; the pool is for others too

_log = structlog.get_logger(__name__)
_OF_MONEY: Final[dict[type[Event], Chargeback]] = {
    ev.DisputeOpened: "opened",
    ev.DisputeWon: "won",
    ev.DisputeLost: "lost",
}
Key = tuple[str, str]


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one piece of news; `exists`: it was known before."""

    status: Literal["posted", "exists", "conflict", "refused"]
    dispute: Dispute | None = None
    refusal: KhataError | None = None


class RailBook(Protocol):
    """Where rails are found by name, and which names there are."""

    def __getitem__(self, name: str) -> Rail: ...

    def __contains__(self, name: str) -> bool: ...


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired once in `services.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    merchants: Merchants
    payments: Payments
    rails: RailBook
    fees: FeeTable
    terms: Terms
    escrowed: Escrowed


class Intake:
    """Decides and records news of disputes."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_

    async def take_in(
        self, news: Sequence[News], *, livemode: bool | None, metadata: Metadata
    ) -> list[Taken]:
        """What became of each, in its place. `livemode` of the teller; None: of the payment."""
        groups: dict[Key, list[int]] = {}
        for place, each in enumerate(news):
            groups.setdefault(each.key, []).append(place)
        async with self._with.database.connection() as connection:
            known = await store.by_references(connection, groups.keys())
        results: dict[int, Taken] = {}
        at_once = asyncio.Semaphore(_AT_ONCE)

        async def one(key: Key, places: list[int]) -> None:
            async with at_once:
                teller = _Teller(livemode=livemode, metadata=metadata)
                told = [news[place] for place in places]
                taken = await self._group(known.get(key), told, teller)
                results.update(zip(places, taken, strict=True))

        await asyncio.gather(*(one(key, places) for key, places in groups.items()))
        return [results[place] for place in range(len(news))]

    async def _group(
        self, known: Dispute | None, news: Sequence[News], teller: "_Teller"
    ) -> list[Taken]:
        """All news of one dispute, in the order it was told, as one change."""
        while True:
            case = _Case(known, teller)
            for each in news:
                case.results.append(await self._one(case, each))
            if not case.moves:
                return case.results
            try:
                await self._with.writer.submit(case.change(await self._escrowed(case)))
            except VersionConflict:
                async with self._with.database.connection() as connection:
                    now = await store.by_references(connection, [news[0].key])
                known = now.get(news[0].key)
            except KhataError as refusal:
                refused = Taken(status="refused", refusal=refusal)
                return [refused if r.status == "posted" else r for r in case.results]
            else:
                return case.results

    async def _escrowed(self, case: "_Case") -> Followed:
        """What moves of escrows with money of the payment, which a chargeback takes first."""
        dispute, facts = case.dispute, case.facts
        assert dispute is not None  # there are moves
        assert facts is not None
        if facts.late or not case.steps_of_money:
            return NOTHING
        told = Disputed(
            payment_id=dispute.payment_id,
            dispute_id=dispute.reference,
            amount_minor=dispute.amount_minor,
            steps=case.steps_of_money,
        )
        async with self._with.database.connection() as connection:
            return await self._with.escrowed.chargeback(connection, told, case.teller.metadata)

    async def _one(self, case: "_Case", news: News) -> Taken:
        known = case.dispute
        try:
            if known is not None and case.teller.livemode not in (None, known.livemode):
                raise NotFound("that payment is not of this mode", "original_reference")
            found = steps(known, news)
            if not found:
                return Taken(status="exists", dispute=known)
            if case.facts is None:
                case.facts = await self._facts(known, news, case.teller)
            return Taken(status="posted", dispute=case.take(found, news, case.facts))
        except DisputeConflict as conflict:
            _log.error(
                "dispute_conflict",
                rail=news.rail,
                reference=news.reference,
                dispute=known.reference if known else None,
                detail=conflict.detail,
            )
            return Taken(status="conflict", dispute=known, refusal=conflict)
        except (NotFound, InvalidRequest) as refusal:
            return Taken(status="refused", dispute=known, refusal=refusal)

    async def _facts(self, known: Dispute | None, news: News, teller: "_Teller") -> Facts:
        if known is not None:
            payment = await self._with.payments.get(known.payment_id, known.merchant_id)
        else:
            payment = await self._payment(news, teller)
        merchant = await self._with.merchants.get(payment.merchant_id)
        async with self._with.database.connection() as connection:
            subject = await labels.subject(connection, payment.id)
            disputes = await store.of_payment(connection, payment.id)
        now = self._with.clock.now()
        others = (each for each in disputes if known is None or each.id != known.id)
        return Facts(
            rail=news.rail,
            payment=payment,
            pending=chart.merchant_pending(merchant.id, merchant.exposure_limit_minor),
            state_code=merchant.state_code,
            terms=self._with.terms,
            fees=self._with.fees,
            at=now,
            subject=subject,
            others_stand=any(outcomes.says_fraud(each) for each in others),
            late=_is_late(payment, known, news, now),
        )

    async def _payment(self, news: News, teller: "_Teller") -> Payment:
        """What a new dispute is about; its state does not matter, that it is ours does."""
        unknown = NotFound(f"{news.rail} authorized no payment by it", "original_reference")
        try:
            attempt_id = ids.decode("att", news.original_reference)
        except ids.InvalidId:
            raise unknown from None
        async with self._with.database.connection() as connection:
            attempt = await self._with.attempts.get(connection, attempt_id)
        if attempt is None or attempt.payment_id is None or attempt.rail != news.rail:
            raise unknown
        if attempt.operation != "authorize" or teller.livemode not in (None, attempt.livemode):
            raise unknown
        payment = await self._with.payments.get(attempt.payment_id, attempt.merchant_id)
        if news.currency != payment.currency:
            raise InvalidRequest(f"the payment is in {payment.currency}", "currency")
        if not 0 < news.amount_minor <= payment.amount_minor:
            raise InvalidRequest(f"the payment is of {payment.amount_minor}", "amount")
        return payment


def _is_late(payment: Payment, known: Dispute | None, news: News, now: datetime) -> bool:
    """As it was when the dispute began: what opening it posted decides what its end posts."""
    if known is not None:
        return late.is_of(payment.late, known.attempt_id, known.created_at)
    return late.is_of(payment.late, ids.decode("att", news.original_reference), now)


class _Teller(msgspec.Struct, frozen=True, kw_only=True):
    livemode: bool | None
    metadata: Metadata


class _Case:
    """One dispute while its news is gone through: what it has become and what that posts."""

    def __init__(self, known: Dispute | None, teller: _Teller) -> None:
        self.dispute = known
        self.teller = teller
        self.facts: Facts | None = None
        self.results: list[Taken] = []
        self.moves: list[Moved[Dispute]] = []
        self._journals: list[Journal] = []
        self._steps: list[type[Event]] = []

    def take(self, found: tuple[type[Event], ...], news: News, facts: Facts) -> Dispute:
        """Goes `found` steps further; the dispute as it is then."""
        events = [outcomes.event(step, news, facts) for step in found]
        metadata = self.teller.metadata
        if self.dispute is None:
            payment = facts.payment
            origin = Origin(
                id=ids.new(facts.at), merchant_id=payment.merchant_id, livemode=payment.livemode
            )
            moved = DISPUTES.create(origin, events, facts.at, metadata)
        else:
            moved = DISPUTES.move(self.dispute, events, facts.at, metadata)
        self.dispute = moved.state
        self.moves.append(moved)
        for step in found:
            self._journals += outcomes.journals(step, moved.state, facts)
        self._steps += found
        return moved.state

    @property
    def steps_of_money(self) -> list[Chargeback]:
        """Those that move what is at stake."""
        return [_OF_MONEY[step] for step in self._steps if step in _OF_MONEY]

    def change(self, escrowed: Followed) -> Change:
        """All of it as one change; there is at least one move. What stood in escrow is the
        merchant's before it is in dispute, and after it was won."""
        assert self.facts is not None
        last = self.moves[-1]
        label = outcomes.labels(self._steps, last.state, self.facts, self.teller.metadata)
        row = msgspec.structs.replace(self.moves[0].row, row=last.state)
        return Change(
            snapshots=(row, *(label.rows if label else ()), *escrowed.rows),
            events=(
                *(e for moved in self.moves for e in moved.events),
                *(label.events if label else ()),
                *escrowed.events,
            ),
            journals=(
                (*escrowed.journals, *self._journals)
                if ev.DisputeOpened in self._steps
                else (*self._journals, *escrowed.journals)
            ),
            appends=label.appends if label else (),
        )
