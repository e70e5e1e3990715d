"""Whom a merchant may pay: named, verified at the bank, usable after a while.

A change stops every payout to the account before it, in its own commit, whatever races with it.
How the bank is asked: `verification.py`.
"""

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

import msgspec
import structlog

from online.kernel import events as ev
from online.kernel import ids
from online.kernel.errors import NotFound, VersionConflict
from online.kernel.events import Metadata
from online.ledger.aggregate import Origin
from online.ledger.change import Append, Change, LimitMove, close, reopen
from online.payouts import accounts, store
from online.payouts.accounts import Named
from online.payouts.beneficiary import Beneficiary, Status, subject_of
from online.payouts.store import BENEFICIARIES
from online.payouts.verification import Collaborators, Verification
from online.platform.idempotency import Answer, IdempotencyAnswer, IdempotencyKey
from online.platform.known_keys import replays_first
from online.platform.lists import Window
from online.rails.domain import OutcomeKind, Payee

_CURRENCY: Final = "INR"
_A_ROUND: Final = 200
_NO: Final = frozenset({OutcomeKind.DECLINED, OutcomeKind.FAILED})

_log = structlog.get_logger(__name__)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The HTTP call behind a beneficiary: its idempotency key, and how its answer is written."""

    key: IdempotencyKey
    render: Callable[[Beneficiary], Answer]


class Beneficiaries:
    """Use cases on beneficiaries."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_
        self._verification = Verification(with_)
        self.resolve = self._verification.resolve
        self.returned = self._verification.returned

    # ── reading ──────────────────────────────────────────────────────────────────────────

    async def get(self, beneficiary_id: UUID, merchant_id: UUID) -> Beneficiary:
        async with self._with.database.connection() as connection:
            found = await store.beneficiary_of(connection, beneficiary_id, merchant_id)
        if found is None:
            raise NotFound("no such beneficiary", "beneficiary")
        return found

    async def page(
        self, merchant_id: UUID, status: str | None, asked: Window
    ) -> Sequence[Beneficiary]:
        """Newest first; one more than asked for when there are more."""
        async with self._with.database.connection() as connection:
            return await store.beneficiaries(connection, merchant_id, status, asked)

    async def opened(self, beneficiary: Beneficiary) -> Payee:
        """In the clear, for the rail."""
        return await accounts.opened(self._with.vault, beneficiary)

    # ── naming, changing, stopping ───────────────────────────────────────────────────────

    async def add(
        self, named: Named, owner: tuple[UUID, bool], call: Call, metadata: Metadata
    ) -> Beneficiary:
        """Names a beneficiary and has it verified; answers with it as it stands after that."""
        merchant_id, livemode = owner
        now = self._with.clock.now()
        payee = named.payee()
        sealed_id, sealed = self._sealed(payee, merchant_id, livemode=livemode)
        method, asked = self._verification.asking(payee, merchant_id, livemode=livemode)
        event = ev.BeneficiaryAdded(
            merchant_id=ids.encode("mrc", merchant_id),
            sealed_id=str(sealed_id),
            verification=method,
            **accounts.known_of(self._with.vault, payee),
        )
        origin = Origin(id=ids.new(now), merchant_id=merchant_id, livemode=livemode)
        moved = BENEFICIARIES.create(origin, [event], now, metadata)
        change = Change(
            snapshots=(moved.row,),
            events=moved.events,
            appends=(sealed,),
            limits=(asked, *_opened(moved.state)),
            reserve=call.key.making("bnf", moved.state.id),
        )
        async with replays_first(self._with.database, call.key):
            await self._with.writer.submit(change)
        verified = await self._verification.begin(moved.state, payee, metadata)
        await self._answer(call, verified)
        return verified

    async def change(
        self, beneficiary_id: UUID, named: Named, owner: tuple[UUID, bool], metadata: Metadata
    ) -> Beneficiary:
        """Another account from now on, to be verified and to cool anew; the same again is none.

        Payouts to the account before it are refused from this commit on; those that are on their
        way already arrive there.
        """
        merchant_id, livemode = owner
        payee = named.payee()
        known = accounts.known_of(self._with.vault, payee)
        while True:
            found = await self.get(beneficiary_id, merchant_id)
            if found.fingerprint == known["fingerprint"] and await self._is_same(found, payee):
                return found
            sealed_id, sealed = self._sealed(payee, merchant_id, livemode=livemode)
            method, asked = self._verification.asking(payee, merchant_id, livemode=livemode)
            event = ev.BeneficiaryChanged(sealed_id=str(sealed_id), verification=method, **known)
            moved = self._verification.moved(found, [event], metadata)
            change = Change(
                snapshots=(moved.row,),
                events=moved.events,
                appends=(sealed,),
                limits=(asked, close(found.subject, found.livemode), *_opened(moved.state)),
            )
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return await self._verification.begin(moved.state, payee, metadata)

    async def disable(
        self, beneficiary_id: UUID, merchant_id: UUID, metadata: Metadata
    ) -> Beneficiary:
        """At once and for good; the same again changes nothing."""
        while True:
            found = await self.get(beneficiary_id, merchant_id)
            if found.status is Status.DISABLED:
                return found
            change, state = self._verification.disabling(found, "by_merchant", metadata)
            try:
                await self._with.writer.submit(change)
            except VersionConflict:
                continue
            return state

    async def verify_again(
        self, beneficiary_id: UUID, merchant_id: UUID, metadata: Metadata
    ) -> Beneficiary:
        """Asks the bank once more about one that is pending; a penny on its way is asked about.
        Of any other the bank has said its word."""
        found = await self.get(beneficiary_id, merchant_id)
        if found.status is not Status.PENDING:
            return found
        if found.attempt_id is None:
            return await self._verification.begin(found, await self.opened(found), metadata)
        async with self._with.database.connection() as connection:
            attempt = await self._with.attempts.get(connection, found.attempt_id)
        assert attempt is not None  # committed together with the beneficiary's word of it
        return await self._verification.resolve(attempt, metadata) or found

    async def activate_cooled(self, metadata: Metadata) -> int:
        """Says of those whose waiting is over that they are usable; answers how many."""
        async with self._with.database.connection() as connection:
            cooled = await store.cooled(connection, self._with.clock.now(), _A_ROUND)
        moves = [
            self._verification.moved(each, [ev.BeneficiaryActivated()], metadata) for each in cooled
        ]
        changes = [Change(snapshots=(moved.row,), events=moved.events) for moved in moves]
        refusals = await self._with.writer.submit_all(changes)
        return sum(refusal is None for refusal in refusals)

    # ── small parts ──────────────────────────────────────────────────────────────────────

    async def _is_same(self, beneficiary: Beneficiary, payee: Payee) -> bool:
        """One that the bank has rejected may be tried again."""
        over = beneficiary.status in {Status.REJECTED, Status.DISABLED}
        return not over and await self.opened(beneficiary) == payee

    def _sealed(self, payee: Payee, merchant_id: UUID, *, livemode: bool) -> tuple[UUID, Append]:
        sealed_id = ids.new(self._with.clock.now())
        place = accounts.place_of(sealed_id, merchant_id)
        row = self._with.vault.seal_text(place, accounts.text_of(payee), livemode=livemode)
        return sealed_id, row

    async def _answer(self, call: Call, beneficiary: Beneficiary) -> None:
        """Final once the bank has said whose account it is; until then a repeated call reads."""
        if beneficiary.status is Status.PENDING:
            return
        said = call.render(beneficiary)
        answer = IdempotencyAnswer(
            merchant_id=call.key.merchant_id,
            key=call.key.key,
            status=said.status,
            body=said.body,
        )
        await self._with.writer.submit(Change(answer=answer))


def _opened(beneficiary: Beneficiary) -> tuple[LimitMove, ...]:
    """The counter that a payout's guard asks stands before the first of them."""
    subject = subject_of(beneficiary.id, beneficiary.edition)
    return close(subject, beneficiary.livemode), reopen(subject, beneficiary.livemode)
