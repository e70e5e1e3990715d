"""A rail without a bank behind it, for benchmarks and tests: it answers in its own process.

It keeps the contract of every rail (the same reference again is the same answer, an enquiry
tells what happened) and a few of the sandbox's magic values, without its records and files.
"""

from collections import OrderedDict
from typing import Final

from online.rails.codes import Dialect, own_outcome, read_outcome
from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    CardSource,
    NextAction,
    Operation,
    Outcome,
    OutcomeKind,
    PayoutRequest,
    RailDispute,
    RailRequest,
    RefundRequest,
    ReverseRequest,
    VoidRequest,
)

_MAGIC_VPAS: Final = {
    "decline@khata": (OutcomeKind.DECLINED, "ZA"),
    "insufficient@khata": (OutcomeKind.DECLINED, "Z9"),
    "wrongpin@khata": (OutcomeKind.DECLINED, "ZM"),
    "techfail@khata": (OutcomeKind.FAILED, "UP"),
}
_MAGIC_CARDS: Final = {
    "4000000000000002": (OutcomeKind.DECLINED, "05"),
    "4000000000009995": (OutcomeKind.DECLINED, "51"),
    "4000000000000119": (OutcomeKind.FAILED, "96"),
}
_SILENT: Final = frozenset({"timeout@khata", "lost@khata"})
_REMEMBERED: Final = 100_000


class InProcessRail:
    """Approves unless a magic value says otherwise."""

    def __init__(
        self,
        name: str,
        *,
        dialect: Dialect,
        cards: CardSource | None = None,
        capabilities: frozenset[Operation] = frozenset(Operation),
    ) -> None:
        self._name = name
        self._dialect = dialect
        self._cards = cards
        self._capabilities = capabilities
        self._done: OrderedDict[str, Outcome] = OrderedDict()
        self._next_rrn = 1

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> frozenset[Operation]:
        return self._capabilities

    async def authorize(self, request: AuthorizeRequest) -> Outcome:
        vpa = (request.upi.payer_vpa or "").lower() if request.upi else ""
        if vpa in _SILENT:
            if vpa == "timeout@khata":
                self._settle(request, self._approved())
            return own_outcome(OutcomeKind.UNKNOWN, "no_answer")
        if vpa == "pending@khata" and request.upi is not None:
            link = f"upi://pay?pa={request.upi.payee_vpa}&tr={request.reference}&cu=INR"
            pending = read_outcome(
                self._dialect,
                OutcomeKind.PENDING,
                "01",
                rail_reference=self._rrn(),
                next_action=NextAction(type="upi_intent", link=link),
            )
            self._settle(request, self._approved())
            return pending
        return self._perform(Operation.AUTHORIZE, request, await self._magic(request, vpa))

    async def capture(self, request: CaptureRequest) -> Outcome:
        return self._perform(Operation.CAPTURE, request)

    async def void(self, request: VoidRequest) -> Outcome:
        return self._perform(Operation.VOID, request)

    async def reverse(self, request: ReverseRequest) -> Outcome:
        return self._perform(Operation.REVERSE, request)

    async def refund(self, request: RefundRequest) -> Outcome:
        return self._perform(Operation.REFUND, request)

    async def payout(self, request: PayoutRequest) -> Outcome:
        return self._perform(Operation.PAYOUT, request)

    async def enquire(self, reference: str) -> Outcome:
        done = self._done.get(reference)
        return done if done is not None else own_outcome(OutcomeKind.NOT_FOUND, "not_found")

    async def dispute(self, reference: str) -> RailDispute | None:
        return None

    async def contest(self, reference: str, evidence: str) -> bool:
        return False

    async def _magic(self, request: AuthorizeRequest, vpa: str) -> tuple[OutcomeKind, str] | None:
        if request.card is not None and self._cards is not None:
            card = await self._cards.reveal(request.card.token_id, request.card.merchant_id)
            return _MAGIC_CARDS.get(card.pan.reveal())
        return _MAGIC_VPAS.get(vpa)

    def _perform(
        self,
        operation: Operation,
        request: RailRequest,
        magic: tuple[OutcomeKind, str] | None = None,
    ) -> Outcome:
        if operation not in self._capabilities:
            return own_outcome(OutcomeKind.FAILED, "unsupported")
        if magic is None:
            return self._settle(request, self._approved())
        kind, code = magic
        outcome = read_outcome(self._dialect, kind, code, rail_reference=self._rrn())
        return self._settle(request, outcome)

    def _settle(self, request: RailRequest, outcome: Outcome) -> Outcome:
        """The first answer for a reference is its answer for good."""
        known = self._done.setdefault(request.reference, outcome)
        if len(self._done) > _REMEMBERED:
            self._done.popitem(last=False)
        return known

    def _approved(self) -> Outcome:
        return Outcome(
            kind=OutcomeKind.APPROVED, code="00", message="Approved", rail_reference=self._rrn()
        )

    def _rrn(self) -> str:
        self._next_rrn += 1
        return f"{self._next_rrn:012d}"
