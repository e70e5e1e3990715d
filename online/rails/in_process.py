"""A rail without a bank behind it, for benchmarks and tests: it answers in its own process.

It keeps the contract of every rail (the same reference again is the same answer, an enquiry
tells what happened) and the sandbox's magic values (`magic.py`), without its records and files.
"""

from collections import OrderedDict
from datetime import timedelta
from typing import Final, TypeVar

import msgspec

from online.kernel.clock import IST, Clock, SystemClock
from online.rails import magic
from online.rails.codes import CAPABILITIES, Dialect, own_outcome, read_outcome
from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    CardChecks,
    CardReference,
    CardSource,
    ExtendRequest,
    MandateRequest,
    MandateRevokeRequest,
    NameFound,
    NextAction,
    Operation,
    Outcome,
    OutcomeKind,
    Payee,
    PayoutRequest,
    RailDispute,
    RailRequest,
    RefundRequest,
    ReleaseRequest,
    ReverseRequest,
    Upi,
    VoidRequest,
)
from online.rails.in_process_mandates import MandateBook
from online.rails.magic import Magic, Said
from online.rails.mandates import MandateNotice, RailMandate

T = TypeVar("T")
_REMEMBERED: Final = 100_000
_RESPOND_WITHIN: Final = timedelta(days=20)
_CANCELED: Final = "17"
_TOO_LATE: Final = Magic(kind=OutcomeKind.DECLINED, code="12")


class InProcessRail:
    """Approves unless a magic value says otherwise."""

    def __init__(
        self,
        name: str,
        *,
        dialect: Dialect,
        cards: CardSource | None = None,
        clock: Clock | None = None,
        capabilities: frozenset[Operation] | None = None,
    ) -> None:
        self._name = name
        self._dialect = dialect
        self._cards = cards
        self._clock = clock or SystemClock()
        self._capabilities = CAPABILITIES[dialect] if capabilities is None else capabilities
        self._asked: OrderedDict[str, int] = OrderedDict()  # what each reference was used for
        self._done: OrderedDict[str, Outcome] = OrderedDict()
        self._at_first: OrderedDict[str, list[Outcome]] = OrderedDict()  # what enquiries meet
        self._disputable: OrderedDict[str, str] = OrderedDict()  # attempt → reason code
        self._disputes: OrderedDict[str, RailDispute] = OrderedDict()
        self.evidence: OrderedDict[str, str] = OrderedDict()  # by the dispute's reference
        # Transfers between people: whether the payer may still call it off.
        self._waits: OrderedDict[str, bool] = OrderedDict()
        self.mandates = MandateBook()
        self._next_rrn = 1

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> frozenset[Operation]:
        return self._capabilities

    async def authorize(self, request: AuthorizeRequest) -> Outcome:
        if request.card is not None:
            return await self._authorize_card(request, request.card)
        if request.upi is not None and request.upi.mandate is not None:
            return self._debit(request, request.upi.mandate, request.upi)
        rule = magic.of_amount(request, "upi")
        if rule is None and request.upi is not None:
            rule = magic.VPAS.get(await self._payer_vpa(request.upi))
        if request.kind == "p2p":
            _remember(self._waits, request.reference, rule is not None and rule.when == "later")
        return self._perform(Operation.AUTHORIZE, request, rule or magic.ORDINARY)

    async def capture(self, request: CaptureRequest) -> Outcome:
        outcome = self._perform_later_one(Operation.CAPTURE, request)
        if outcome.kind is OutcomeKind.APPROVED:
            self._captured(request.original_reference, request)
        return outcome

    async def void(self, request: VoidRequest) -> Outcome:
        waiting = self._done.get(request.original_reference)
        waits = self._waits.get(request.original_reference)
        if waits is False:  # what people have sent each other, nobody takes back
            return self._perform(Operation.VOID, request, _TOO_LATE)
        if waits or (waiting is not None and waiting.kind is OutcomeKind.PENDING):
            canceled = read_outcome(self._dialect, OutcomeKind.DECLINED, _CANCELED)
            self._done[request.original_reference] = canceled
        return self._perform_later_one(Operation.VOID, request)

    async def release(self, request: ReleaseRequest) -> Outcome:
        return self._perform_later_one(Operation.RELEASE, request)

    async def extend(self, request: ExtendRequest) -> Outcome:
        return self._perform_later_one(Operation.EXTEND, request)

    async def reverse(self, request: ReverseRequest) -> Outcome:
        return self._perform_later_one(Operation.REVERSE, request)

    async def refund(self, request: RefundRequest) -> Outcome:
        return self._perform_later_one(Operation.REFUND, request)

    async def payout(self, request: PayoutRequest) -> Outcome:
        rule = magic.of_amount(request, self._dialect) or magic.of_payee(request.beneficiary)
        return self._perform(Operation.PAYOUT, request, rule)

    async def name_of(self, payee: Payee) -> NameFound | None:
        return NameFound(name=magic.name_of(payee))

    async def create_mandate(self, request: MandateRequest) -> Outcome:
        vpa = await self._payer_vpa(request.upi)
        return self._perform(Operation.MANDATE, request, self.mandates.ask(request, vpa))

    async def revoke_mandate(self, request: MandateRevokeRequest) -> Outcome:
        no = self.mandates.revoke(request.original_reference)
        return self._perform(Operation.MANDATE_REVOKE, request, no or magic.ORDINARY)

    async def notify_payer(self, notice: MandateNotice) -> bool:
        return self.mandates.notify(notice)

    async def mandate(self, reference: str) -> RailMandate | None:
        return self.mandates.find(reference)

    async def enquire(self, reference: str) -> Outcome:
        first = self._at_first.get(reference)
        if first:
            return first.pop()
        done = self._done.get(reference)
        if reference in self._waits:
            self._waits[reference] = False
        return done if done is not None else own_outcome(OutcomeKind.NOT_FOUND, "not_found")

    def resolve(self, reference: str, *, approves: bool) -> None:
        """The payer decides a challenge; the next enquiry tells. A decided one stays as it is."""
        waiting = self._done[reference]
        if waiting.kind is not OutcomeKind.PENDING:
            return
        if approves:
            kind, code = OutcomeKind.APPROVED, "00"
            checks = CardChecks(avs="U", eci="05", authentication="challenged")
        else:
            kind, code = OutcomeKind.DECLINED, "3DS-N"
            checks = CardChecks(avs="U", eci="07", authentication="failed")
        outcome = read_outcome(self._dialect, kind, code, rail_reference=waiting.rail_reference)
        self._done[reference] = msgspec.structs.replace(outcome, checks=checks)

    def end_deemed(self, reference: str, *, returned: bool) -> None:
        """The payee's bank gives its last word on a deemed payment; the next enquiry tells."""
        status, code = (OutcomeKind.FAILED, "RET") if returned else (OutcomeKind.APPROVED, "TCC")
        told = read_outcome(
            self._dialect, status, code, rail_reference=self._done[reference].rail_reference
        )
        self._done[reference] = told

    async def dispute(self, reference: str) -> RailDispute | None:
        return self._disputes.get(reference)

    def decide_dispute(self, reference: str, status: str) -> None:
        """`won` or `lost`, from the merchant's side."""
        self._disputes[reference] = msgspec.structs.replace(
            self._disputes[reference],
            status=status,
        )

    async def contest(self, reference: str, evidence: str) -> bool:
        known = self._disputes.get(reference)
        if known is None or known.status != "open":
            return False
        _remember(self.evidence, reference, evidence)
        return True

    async def _payer_vpa(self, upi: Upi) -> str:
        if upi.payer is None or self._cards is None:
            return (upi.payer_vpa or "").lower()
        return (await self._cards.open_vpa(upi.payer)).reveal().lower()

    async def _authorize_card(self, request: AuthorizeRequest, card: CardReference) -> Outcome:
        rule, network = magic.ORDINARY, "visa"
        if self._cards is not None:
            clear = await self._cards.reveal(card.token_id, card.merchant_id)
            number = clear.pan.reveal()
            rule = magic.CARDS.get(number, rule)
            network = "mastercard" if number[0] in "25" else "visa"
        rule = magic.of_amount(request, "card") or rule
        cvc = card.cvc.reveal() if card.cvc else None
        found = magic.checks(rule, network, cvc, card.eci)
        if rule.dispute:
            _remember(self._disputable, request.reference, rule.dispute)
        outcome = self._perform(Operation.AUTHORIZE, request, rule, checks=found)
        if outcome.kind is OutcomeKind.APPROVED and request.capture:
            self._captured(request.reference, request)
        return outcome

    def _debit(self, request: AuthorizeRequest, mandate: str, upi: Upi) -> Outcome:
        if request.reference in self._done:
            return self._done[request.reference]
        rule = self.mandates.debit(request, mandate, factor=upi.factor_required)
        return self._perform(Operation.AUTHORIZE, request, rule)

    def _captured(self, original: str, request: RailRequest) -> None:
        reason = self._disputable.get(original)
        if reason is None:
            return
        reference = f"dsp_{original.partition('_')[2]}"
        dispute = RailDispute(
            reference=reference,
            original_reference=original,
            amount_minor=request.amount_minor,
            currency=request.currency,
            reason_code=reason,
            status="open",
            respond_by=self._clock.now() + _RESPOND_WITHIN,
        )
        self._disputes.setdefault(reference, dispute)

    def _perform_later_one(self, operation: Operation, request: RailRequest) -> Outcome:
        rule = magic.of_amount(request, self._dialect)
        return self._perform(operation, request, rule or magic.ORDINARY)

    def _perform(
        self,
        operation: Operation,
        request: RailRequest,
        rule: Magic,
        *,
        checks: CardChecks | None = None,
    ) -> Outcome:
        if operation not in self._capabilities:
            return own_outcome(OutcomeKind.FAILED, "unsupported")
        body = hash((operation, request.amount_minor, getattr(request, "original_reference", "")))
        if _remember(self._asked, request.reference, body) != body:
            return own_outcome(OutcomeKind.FAILED, "rejected")
        if rule.when == "lost":
            return own_outcome(OutcomeKind.UNKNOWN, "no_answer")
        pays = operation is Operation.AUTHORIZE and rule.kind is OutcomeKind.APPROVED
        final = msgspec.structs.replace(
            read_outcome(self._dialect, rule.kind, rule.code, rail_reference=self._number(request)),
            checks=None if rule.kind is OutcomeKind.FAILED else checks,
            payee_name=_payee_name(request) if rule.kind is OutcomeKind.APPROVED else None,
            funding=rule.funding if pays and self._dialect == "upi" else None,
        )
        if rule.when == "challenge" and isinstance(request, AuthorizeRequest):
            return self._settle(request, self._waiting(final, _challenge(self._name, request)))
        if rule.when == "deemed":
            return self._settle(request, self._waiting(final, None, rule.meanwhile))
        done = self._settle(request, final)
        if rule.when == "unseen":
            not_found = own_outcome(OutcomeKind.NOT_FOUND, "not_found")
            _remember(self._at_first, request.reference, [not_found])
        if rule.failing_enquiries:
            fails = [own_outcome(OutcomeKind.UNKNOWN, "no_answer")] * rule.failing_enquiries
            _remember(self._at_first, request.reference, fails)
        if rule.when == "later":
            return self._waiting(done, None, rule.meanwhile)
        if rule.when == "garbled":
            return own_outcome(OutcomeKind.UNKNOWN, "bad_answer")
        silent = rule.when in ("silent", "unseen")
        return own_outcome(OutcomeKind.UNKNOWN, "no_answer") if silent else done

    def _waiting(
        self,
        final: Outcome,
        action: NextAction | None,
        said: Said = (OutcomeKind.PENDING, "01"),
    ) -> Outcome:
        kind, code = said
        return read_outcome(
            self._dialect,
            kind,
            code,
            rail_reference=final.rail_reference,
            next_action=action if kind is OutcomeKind.PENDING else None,
        )

    def _settle(self, request: RailRequest, outcome: Outcome) -> Outcome:
        """The first answer for a reference is its answer for good."""
        return _remember(self._done, request.reference, outcome)

    def _number(self, request: RailRequest) -> str:
        """An RRN; of a payout the UTR of its mode."""
        self._next_rrn += 1
        if isinstance(request, MandateRequest):
            return magic.UMN.format(number=self._next_rrn)
        mode = request.mode if isinstance(request, PayoutRequest) else None
        shape = magic.UTRS.get(mode or "", magic.RRN)
        return shape.format(day=self._clock.now().astimezone(IST), number=self._next_rrn)


def _remember(memory: OrderedDict[str, T], reference: str, value: T) -> T:
    """What was there first stays; the oldest goes when there are too many."""
    known = memory.setdefault(reference, value)
    if len(memory) > _REMEMBERED:
        memory.popitem(last=False)
    return known


def _payee_name(request: RailRequest) -> str | None:
    return magic.name_of(request.beneficiary) if isinstance(request, PayoutRequest) else None


def _challenge(rail: str, request: AuthorizeRequest) -> NextAction:
    """There is no page behind it: a test decides by `resolve`."""
    link = f"https://{rail.replace('_', '-')}.invalid/3ds/{request.reference}"
    return NextAction(type="redirect", link=link, return_url=request.return_url)
