"""Whose account a beneficiary's is, by the bank's word.

By a penny that is paid into it, or by asking. The penny is an attempt like any other: committed
before it is sent, asked about when no answer came, and out of our own pocket.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from online.attempts.domain import Attempt
from online.attempts.recording import Recorder
from online.attempts.returned import Returned
from online.attempts.service import Answered, Attempts, RailBook
from online.kernel import events as ev
from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import InvalidRequest, NotFound, VersionConflict
from online.kernel.events import Event, Metadata
from online.ledger.aggregate import Moved, Origin
from online.ledger.change import Change, LimitMove, close
from online.ledger.journal import Journal
from online.ledger.writer import AlreadyPosted, Writer
from online.payouts import accounts, outcomes, store
from online.payouts.beneficiary import Beneficiary, Status
from online.payouts.names import score
from online.payouts.rules import PayoutRules
from online.payouts.store import BENEFICIARIES
from online.platform.db import Database
from online.rails.domain import NameFound, Outcome, OutcomeKind, Payee, PayoutRequest
from online.vault.service import Vault

CURRENCY: Final = "INR"
_NO: Final = frozenset({OutcomeKind.DECLINED, OutcomeKind.FAILED})


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    """What the use cases call; wired in `build.py`."""

    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    vault: Vault
    rails: RailBook
    rail: str
    rules: PayoutRules


class Verification:
    """Asks the bank, and records what it said."""

    def __init__(self, with_: Collaborators) -> None:
        self._with = with_
        self._recorder = Recorder(with_.database, with_.writer, with_.attempts)

    def asking(self, payee: Payee, merchant_id: UUID, *, livemode: bool) -> tuple[str, LimitMove]:
        """How the bank is asked about such an account, and what that takes of the merchant's
        number for the day."""
        today = business_date(self._with.clock.now())
        row = self._with.rules.verification_of(accounts.kind_of(payee), today)
        move = LimitMove(
            subject=ids.encode("mrc", merchant_id),
            rule=f"{row.method}s_per_day",
            window_start=today,
            delta=1,
            cap=row.per_day,
            livemode=livemode,
        )
        return row.method, move

    async def begin(
        self, beneficiary: Beneficiary, payee: Payee, metadata: Metadata
    ) -> Beneficiary:
        """Answers with the beneficiary as it stands after that."""
        if beneficiary.verification == "name_check":
            found = await self._with.rails[self._with.rail].name_of(payee)
            return await self._judge(beneficiary, payee, found, metadata)
        return await self._send_penny(beneficiary, payee, metadata)

    async def _judge(
        self, beneficiary: Beneficiary, payee: Payee, found: NameFound | None, metadata: Metadata
    ) -> Beneficiary:
        """Moves on what the bank knows by now; where it did not answer it is asked again later."""
        if found is None:
            return beneficiary
        events = self._verdict(payee, found.name)
        moved = self.moved(beneficiary, events, metadata)
        try:
            await self._with.writer.submit(Change(snapshots=(moved.row,), events=moved.events))
        except VersionConflict:
            return await self._present(beneficiary.id)
        return moved.state

    async def _send_penny(
        self, beneficiary: Beneficiary, payee: Payee, metadata: Metadata
    ) -> Beneficiary:
        """Two commits with the bank in between, as with every operation at a rail."""
        now = self._with.clock.now()
        today = business_date(now)
        sent = ev.AttemptSent(
            operation="payout",
            amount=self._with.rules.verification_of("bank_account", today).amount_minor,
            currency=CURRENCY,
            rail=self._with.rail,
            order_id=beneficiary.reference,
        )
        origin = Origin(
            id=ids.new(now), merchant_id=beneficiary.merchant_id, livemode=beneficiary.livemode
        )
        attempt = self._with.attempts.prepare(origin, sent, metadata)
        asked = ev.BeneficiaryCheckSent(attempt_id=attempt.state.reference)
        moved = self.moved(beneficiary, [asked], metadata)
        change = Change(
            snapshots=(moved.row, attempt.row),
            events=(*moved.events, *attempt.events),
            journals=(outcomes.penny_sent(moved.state, attempt.state, now),),
        )
        try:
            await self._with.writer.submit(change)
        except VersionConflict:
            return await self._present(beneficiary.id)  # somebody else sends it, or has changed it
        request = PayoutRequest(
            reference=attempt.state.reference,
            amount_minor=attempt.state.amount_minor,
            currency=CURRENCY,
            beneficiary=payee,
            mode="imps",
        )
        answered = await self._with.attempts.send(attempt.state, request, metadata)
        return await self._record(moved.state, payee, attempt.state, answered, metadata)

    async def resolve(
        self, attempt: Attempt, metadata: Metadata, told: Outcome | None = None
    ) -> Beneficiary | None:
        """Records what became of a penny: by the bank's own word (`told`), or by asking it."""
        answered = await self._with.attempts.learn(attempt, metadata, told)
        beneficiary = await self._of(attempt)
        if answered is None:
            return beneficiary
        payee = await accounts.opened(self._with.vault, beneficiary)
        return await self._record(beneficiary, payee, attempt, answered, metadata)

    async def _record(
        self,
        beneficiary: Beneficiary,
        payee: Payee,
        attempt: Attempt,
        answered: Answered,
        metadata: Metadata,
    ) -> Beneficiary:
        def decide(state: Beneficiary, sent: Attempt, said: Answered) -> tuple[Change, Beneficiary]:
            moved = self._learnt(state, payee, sent, said.outcome, metadata)
            journal = self._journal(state, sent, said.outcome)
            change = Change(
                snapshots=(said.moved.row, *([moved.row] if moved else [])),
                events=(*said.moved.events, *(moved.events if moved else ())),
                journals=(journal,) if journal else (),
            )
            return change, moved.state if moved else state

        async def read() -> Beneficiary:
            return await self._present(beneficiary.id)

        return await self._recorder.record(
            attempt, answered, metadata, read=read, decide=decide, state=beneficiary
        )

    def _learnt(
        self,
        beneficiary: Beneficiary,
        payee: Payee,
        attempt: Attempt,
        outcome: Outcome,
        metadata: Metadata,
    ) -> Moved[Beneficiary] | None:
        """What the bank's answer says of the account; None: nothing, or of one that was changed."""
        own = beneficiary.attempt_id == attempt.id and beneficiary.status is Status.PENDING
        if not own or not outcome.is_final:
            return None
        if outcome.kind in _NO:
            code = outcome.decline_code or outcome.code
            return self.moved(beneficiary, [ev.BeneficiaryRejected(code=code)], metadata)
        return self.moved(beneficiary, self._verdict(payee, outcome.payee_name), metadata)

    def _journal(
        self, beneficiary: Beneficiary, attempt: Attempt, outcome: Outcome
    ) -> Journal | None:
        now = self._with.clock.now()
        if outcome.kind in _NO and attempt.is_open:
            return outcomes.penny_returned(beneficiary, attempt, now)
        if outcome.kind is OutcomeKind.APPROVED and not attempt.is_open:
            return outcomes.penny_found(beneficiary, attempt, now)
        return None

    def _verdict(self, payee: Payee, known: str | None) -> list[Event]:
        """No such account, somebody else's, or theirs: then it cools."""
        now = self._with.clock.now()
        rule = self._with.rules.name_match_on(business_date(now))
        if known is None:
            return [ev.BeneficiaryRejected(code="name_unknown")]
        agrees = score(payee.name, known)
        if agrees < rule.accept_at:
            return [ev.BeneficiaryRejected(code="name_mismatch", name_score=agrees)]
        until = now + self._with.rules.cooling_on(business_date(now))
        return [
            ev.BeneficiaryVerified(name_score=agrees, rules_from=rule.valid_from.isoformat()),
            ev.BeneficiaryCoolingBegan(usable_from=until),
        ]

    # ── coming back ──────────────────────────────────────────────────────────────────────

    async def returned(self, attempt: Attempt, _: Returned, metadata: Metadata) -> str | None:
        """The bank sent the penny back: the account took no money, whatever was said before."""
        while True:
            beneficiary = await self._of(attempt)
            journal = outcomes.penny_sent_back(beneficiary, attempt, self._with.clock.now())
            own = beneficiary.attempt_id == attempt.id
            if own and beneficiary.status is not Status.DISABLED:
                change = self.disabling(beneficiary, "penny_returned", metadata)[0]
                change = msgspec.structs.replace(change, journals=(journal,))
            else:
                change = Change(journals=(journal,))
            try:
                await self._with.writer.submit(change)
            except AlreadyPosted:
                return None
            except VersionConflict:
                continue
            return beneficiary.reference

    # ── small parts ──────────────────────────────────────────────────────────────────────

    def moved(
        self, beneficiary: Beneficiary, events: Sequence[Event], metadata: Metadata
    ) -> Moved[Beneficiary]:
        return BENEFICIARIES.move(beneficiary, events, self._with.clock.now(), metadata)

    def disabling(
        self, beneficiary: Beneficiary, reason: str, metadata: Metadata
    ) -> tuple[Change, Beneficiary]:
        moved = self.moved(beneficiary, [ev.BeneficiaryDisabled(reason=reason)], metadata)
        change = Change(
            snapshots=(moved.row,),
            events=moved.events,
            limits=(close(beneficiary.subject, beneficiary.livemode),),
        )
        return change, moved.state

    async def _of(self, attempt: Attempt) -> Beneficiary:
        if attempt.order_id is None:
            raise InvalidRequest("this attempt verifies no beneficiary", "attempt_id")
        return await self._present(ids.decode("bnf", attempt.order_id))

    async def _present(self, beneficiary_id: UUID) -> Beneficiary:
        async with self._with.database.connection() as connection:
            found = await store.beneficiary_by_id(connection, beneficiary_id)
        if found is None:
            raise NotFound("no such beneficiary", "id")
        return found
