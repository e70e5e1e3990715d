"""Stand-ins for what is outside: rails that do as they are told."""

import asyncio
from collections import deque
from typing import Any

from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    MandateRequest,
    MandateRevokeRequest,
    NameFound,
    Operation,
    Outcome,
    OutcomeKind,
    Payee,
    PayoutRequest,
    Rail,
    RailDispute,
    RailRequest,
    RefundRequest,
    ReverseRequest,
    VoidRequest,
)
from online.rails.mandates import MandateNotice, RailMandate

APPROVED = Outcome(kind=OutcomeKind.APPROVED, code="00", rail_reference="000000000001")
DECLINED = Outcome(kind=OutcomeKind.DECLINED, code="05", decline_code="do_not_honor")
FAILED = Outcome(kind=OutcomeKind.FAILED, code="96")
PENDING = Outcome(kind=OutcomeKind.PENDING, code="01")
UNKNOWN = Outcome(kind=OutcomeKind.UNKNOWN, code="no_answer", message="no answer in time")
NOT_FOUND = Outcome(kind=OutcomeKind.NOT_FOUND, code="not_found")


class ScriptedRail:
    """Answers with `next` outcomes in order, then approves; keeps what it was asked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.next: deque[Outcome] = deque()
        self.enquiries: deque[Outcome] = deque()
        self.names: deque[NameFound | None] = deque()
        self.asked: list[RailRequest] = []
        self.disputes: dict[str, RailDispute] = {}
        self.contested: list[tuple[str, str]] = []
        self.takes_evidence = True
        self.mandates: dict[str, RailMandate] = {}
        self.notices: list[MandateNotice] = []
        self.takes_notices = True

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> frozenset[Operation]:
        return frozenset(Operation)

    async def authorize(self, request: AuthorizeRequest) -> Outcome:
        return self._answer(request)

    async def capture(self, request: CaptureRequest) -> Outcome:
        return self._answer(request)

    async def void(self, request: VoidRequest) -> Outcome:
        return self._answer(request)

    async def reverse(self, request: ReverseRequest) -> Outcome:
        return self._answer(request)

    async def refund(self, request: RefundRequest) -> Outcome:
        return self._answer(request)

    async def payout(self, request: PayoutRequest) -> Outcome:
        return self._answer(request)

    async def name_of(self, payee: Payee) -> NameFound | None:
        return self.names.popleft() if self.names else NameFound(name=payee.name)

    async def create_mandate(self, request: MandateRequest) -> Outcome:
        return self._answer(request)

    async def revoke_mandate(self, request: MandateRevokeRequest) -> Outcome:
        return self._answer(request)

    async def notify_payer(self, notice: MandateNotice) -> bool:
        self.notices.append(notice)
        return self.takes_notices

    async def mandate(self, reference: str) -> RailMandate | None:
        return self.mandates.get(reference)

    async def enquire(self, reference: str) -> Outcome:
        return self.enquiries.popleft() if self.enquiries else NOT_FOUND

    async def dispute(self, reference: str) -> RailDispute | None:
        return self.disputes.get(reference)

    async def contest(self, reference: str, evidence: str) -> bool:
        self.contested.append((reference, evidence))
        return self.takes_evidence

    def _answer(self, request: RailRequest) -> Outcome:
        self.asked.append(request)
        return self.next.popleft() if self.next else APPROVED


class ScriptedRails(dict[str, ScriptedRail]):
    """A rail for every name."""

    def __missing__(self, name: str) -> ScriptedRail:
        self[name] = ScriptedRail(name)
        return self[name]

    @property
    def names(self) -> list[str]:
        return list(self)


class HeldRail:
    """Another rail that answers the operations it holds only once it is let go; each call that
    waits is counted. The rail behind is asked after that: nothing happens while a call is held.
    """

    def __init__(self, behind: Rail, *operations: Operation | str) -> None:
        self._behind = behind
        self._held = frozenset(Operation(each) for each in operations or (Operation.AUTHORIZE,))
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self.waiting = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)

    async def authorize(self, request: AuthorizeRequest) -> Outcome:
        await self._wait(Operation.AUTHORIZE)
        return await self._behind.authorize(request)

    async def capture(self, request: CaptureRequest) -> Outcome:
        await self._wait(Operation.CAPTURE)
        return await self._behind.capture(request)

    async def void(self, request: VoidRequest) -> Outcome:
        await self._wait(Operation.VOID)
        return await self._behind.void(request)

    async def reverse(self, request: ReverseRequest) -> Outcome:
        await self._wait(Operation.REVERSE)
        return await self._behind.reverse(request)

    async def refund(self, request: RefundRequest) -> Outcome:
        await self._wait(Operation.REFUND)
        return await self._behind.refund(request)

    async def payout(self, request: PayoutRequest) -> Outcome:
        await self._wait(Operation.PAYOUT)
        return await self._behind.payout(request)

    async def create_mandate(self, request: MandateRequest) -> Outcome:
        await self._wait(Operation.MANDATE)
        return await self._behind.create_mandate(request)

    async def revoke_mandate(self, request: MandateRevokeRequest) -> Outcome:
        await self._wait(Operation.MANDATE_REVOKE)
        return await self._behind.revoke_mandate(request)

    async def _wait(self, operation: Operation) -> None:
        if operation in self._held:
            self.waiting += 1
            self.asked.set()
            await self.let_go.wait()


class NoPurses:
    """Nobody has a wallet here."""

    async def refunded(self, *_: object) -> Any:
        raise AssertionError("nothing was paid from a wallet")
