"""What finance does with a break: assign, comment, resolve, write off with a second person.

Each call is one commit: the event, and where money leaves suspense, the posting with it. Who
decided on a break that has moved meanwhile decides again, so that of many at once one moves the
money and the others learn what it is now.
"""

from collections.abc import Callable
from typing import Final, Protocol
from uuid import UUID

import msgspec

from online.breaks import store
from online.breaks.domain import (
    Break,
    NothingInSuspense,
    check_in_suspense,
    check_second,
    check_write_off,
)
from online.breaks.moves import explained
from online.breaks.store import BREAKS
from online.breaks.terms import WriteOffTerms
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import InvalidRequest, NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger import accounts as chart
from online.ledger import reading
from online.ledger.accounts import Account
from online.ledger.change import Change
from online.ledger.writer import Writer
from online.platform.db import Database
from online.platform.idempotency import Answer, IdempotencyKey
from online.platform.known_keys import replays_first

# Under one of these kinds offline posts what a break puts into suspense.
_SUSPENSE_KINDS: Final = ("break_suspense", "bank_break", "unexpected_credit")


class Places(Protocol):
    """The accounts of the rails and banks that there are."""

    def __contains__(self, account: str, /) -> bool: ...


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the workflow works with."""

    database: Database
    writer: Writer
    clock: Clock
    terms: WriteOffTerms
    places: Places


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """Who calls, about which break; `key` and `render` where the call may move money."""

    break_id: UUID
    livemode: bool
    metadata: Metadata
    key: IdempotencyKey | None = None
    render: Callable[[Break], Answer] | None = None

    @property
    def actor(self) -> str:
        return self.metadata.actor

    def reservation(self, found: Break) -> IdempotencyKey | None:
        """The key with its answer: the call's one commit is its last."""
        if self.key is None or self.render is None:
            return None
        answer = self.render(found)
        made = self.key.making("brk", found.id)
        return msgspec.structs.replace(made, status=answer.status, body=answer.body)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """An event, and the account that the break's suspense goes to with it."""

    event: Event
    kind: str = ""
    to: Account | None = None


class Workflow:
    def __init__(self, collaborators: Collaborators) -> None:
        self._with = collaborators

    async def assign(self, call: Call, owner: str) -> Break:
        event = ev.BreakAssigned(owner=owner, by=call.actor)
        return await self._act(call, lambda _: Decision(event=event))

    async def comment(self, call: Call, text: str) -> Break:
        event = ev.BreakCommented(text=text, by=call.actor)
        return await self._act(call, lambda _: Decision(event=event))

    async def resolve(self, call: Call, explanation: str, account: str | None) -> Break:
        """What it was; with money in suspense, that goes to `account`, where it belongs."""
        to = self._known(account) if account is not None else None

        def decide(found: Break) -> Decision:
            if found.suspense_minor and to is None:
                raise InvalidRequest("is required: the break has money in suspense", "account")
            if to is not None:
                check_in_suspense(found)
            resolved = ev.BreakResolved(
                explanation=explanation,
                by=call.actor,
                account=to.code if to else None,
                amount=found.suspense_minor,
            )
            return Decision(event=resolved, kind="break_explained", to=to)

        return await self._act(call, decide)

    async def write_off(self, call: Call, reason: str) -> Break:
        """At once where one person may; a request for a second one's approval otherwise."""
        if reason not in self._with.terms.reasons:
            known = ", ".join(self._with.terms.reasons)
            raise InvalidRequest(f"must be one of {known}", "reason")
        today = business_date(self._with.clock.now())

        def decide(found: Break) -> Decision:
            check_write_off(found)
            if self._with.terms.needs_two(found.suspense_minor, found.currency, today):
                asked = ev.BreakWriteOffRequested(reason=reason, by=call.actor)
                return Decision(event=asked)
            to = chart.writeoff(reason)
            done = ev.BreakWrittenOff(
                reason=reason, by=call.actor, account=to.code, amount=found.suspense_minor
            )
            return Decision(event=done, kind="break_written_off", to=to)

        return await self._act(call, decide)

    async def approve(self, call: Call) -> Break:
        """Posts what somebody else has asked for."""

        def decide(found: Break) -> Decision:
            check_second(found, call.actor)
            to = chart.writeoff(found.write_off_reason or "")
            done = ev.BreakWriteOffApproved(
                by=call.actor, account=to.code, amount=found.suspense_minor
            )
            return Decision(event=done, kind="break_written_off", to=to)

        return await self._act(call, decide)

    async def reject(self, call: Call, explanation: str | None) -> Break:
        """Anybody may: whoever asked takes it back with this, too."""
        event = ev.BreakWriteOffRejected(by=call.actor, explanation=explanation)
        return await self._act(call, lambda _: Decision(event=event))

    def _known(self, code: str) -> Account:
        account = chart.offline_account(code)
        if account is None or code not in self._with.places or code.startswith("suspense:"):
            raise InvalidRequest("is no account that a break's money may belong to", "account")
        return account

    async def _act(self, call: Call, decide: Callable[[Break], Decision]) -> Break:
        if call.key is None:
            return await self._commit(call, decide)
        async with replays_first(self._with.database, call.key):
            return await self._commit(call, decide)

    async def _commit(self, call: Call, decide: Callable[[Break], Decision]) -> Break:
        while True:
            found = await self._get(call)
            now = self._with.clock.now()
            decision = decide(found)
            moved = BREAKS.move(found, [decision.event], now, call.metadata)
            if decision.to is not None:
                await self._check_posted(found)
            change = Change(
                snapshots=(moved.row,),
                events=moved.events,
                journals=(
                    (explained(found, decision.kind, decision.to, now),) if decision.to else ()
                ),
                reserve=call.reservation(moved.state),
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return moved.state

    async def _get(self, call: Call) -> Break:
        async with self._with.database.connection() as connection:
            found = await store.get(connection, call.break_id, livemode=call.livemode)
        if found is None:
            raise NotFound("no such break", "id")
        return found

    async def _check_posted(self, found: Break) -> None:
        """Refuses to move what suspense does not hold: not posted yet, or on its way back."""
        cause = found.suspense_cause or found.id
        back = (ids.derived(str(cause), "reversal"), "break_reversal")
        async with self._with.database.connection() as connection:
            posted = await reading.posted(
                connection, {back, *((cause, kind) for kind in _SUSPENSE_KINDS)}
            )
        if not posted or back in posted:
            raise NothingInSuspense("the money of this break is not in suspense")
