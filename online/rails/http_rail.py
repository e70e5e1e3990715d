"""A rail over HTTP.

The whole of this module is about one distinction: an error before anything was sent is a
definite failure, and every error after that leaves the outcome unknown. Unless the rail says so
in a readable answer, nothing has failed.
"""

import asyncio
from datetime import date
from typing import Any, Final
from urllib.parse import quote

import httpx
import msgspec
import structlog
from msgspec import Struct, structs

from online.kernel.clock import Clock, SystemClock, business_date
from online.kernel.errors import KhataError
from online.rails import answers, upi_ids
from online.rails.answers import NO_SENSE, Unreadable
from online.rails.bulkhead import Bulkhead, Full, Kind, Slots
from online.rails.codes import CAPABILITIES, Dialect, own_outcome
from online.rails.domain import (
    AuthorizeRequest,
    CaptureRequest,
    CardReference,
    CardSource,
    ExtendRequest,
    MandateRequest,
    MandateRevokeRequest,
    NameFound,
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
    SecretText,
    Upi,
    VoidRequest,
    VpaReference,
)
from online.rails.mandates import MandateNotice, RailMandate

Headers = dict[str, str] | None

log = structlog.get_logger("khata.rails")

# Refused before doing anything. Not here: 408 and 409, which may hide an effect.
_REJECTED: Final = frozenset({400, 401, 403, 404, 405, 410, 411, 413, 414, 415, 422, 429})
_NO_ANSWER: Final = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, Full)
_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds for each phase; `read_s` is how long a rail may think, `pool_s` how long a call
    waits for a slot.
    """

    connect_s: float = 2
    write_s: float = 5
    read_s: float = 5
    pool_s: float = 2

    @property
    def call_s(self) -> float:
        """Of a call once it has its slot: a rail that answers byte by byte ends here, too."""
        return self.connect_s + self.write_s + self.read_s


class Limits(Struct, frozen=True, kw_only=True):
    """How long one rail may take, and how many calls it may have at once."""

    timeouts: Timeouts = Timeouts()
    slots: Slots = Slots()


_USUAL: Final = Limits()


def new_client(*, connections: int) -> httpx.AsyncClient:
    """One pool for every rail, at least as large as all their slots together; close it when the
    service stops.
    """
    return httpx.AsyncClient(
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=20
        ),
        follow_redirects=False,
        trust_env=False,  # a proxy from the environment must not see card data
    )


class HttpRail:
    """One rail of the contract's HTTP protocol; `url` ends in the rail's name."""

    def __init__(
        self,
        name: str,
        url: str,
        *,
        client: httpx.AsyncClient,
        dialect: Dialect,
        cards: CardSource | None = None,
        limits: Limits = _USUAL,
        clock: Clock | None = None,
    ) -> None:
        self._name = name
        self._url = url.rstrip("/")
        self._client = client
        self._dialect = dialect
        self._cards = cards
        self._clock = clock or SystemClock()
        times = limits.timeouts
        self._bulkhead = Bulkhead(name, limits.slots, wait_s=times.pool_s)
        self._call_s = times.call_s
        self._timeout = httpx.Timeout(
            connect=times.connect_s, write=times.write_s, read=times.read_s, pool=times.pool_s
        )

    @property
    def name(self) -> str:
        return self._name

    @property
    def capabilities(self) -> frozenset[Operation]:
        return CAPABILITIES[self._dialect]

    async def authorize(self, request: AuthorizeRequest) -> Outcome:
        body: dict[str, Any] = {"capture": request.capture}
        if request.kind != "p2m":
            body["kind"] = request.kind
        if request.return_url is not None:
            body["return_url"] = request.return_url
        if request.upi is not None:
            upi = await self._clear_upi(request.upi)
            if upi is None:
                return own_outcome(OutcomeKind.FAILED, "vpa_unavailable")
            body["upi"] = upi
        if request.card is not None:
            card = await self._clear_card(request.card)
            if card is None:
                return own_outcome(OutcomeKind.FAILED, "card_unavailable")
            body["card"] = card
        return await self._send(Operation.AUTHORIZE, request, body)

    async def capture(self, request: CaptureRequest) -> Outcome:
        body = {"original_reference": request.original_reference}
        return await self._send(Operation.CAPTURE, request, body)

    async def void(self, request: VoidRequest) -> Outcome:
        body = {"original_reference": request.original_reference}
        return await self._send(Operation.VOID, request, body)

    async def release(self, request: ReleaseRequest) -> Outcome:
        body = {"original_reference": request.original_reference}
        return await self._send(Operation.RELEASE, request, body)

    async def extend(self, request: ExtendRequest) -> Outcome:
        body = {"original_reference": request.original_reference}
        return await self._send(Operation.EXTEND, request, body)

    async def reverse(self, request: ReverseRequest) -> Outcome:
        body = {"original_reference": request.original_reference}
        return await self._send(Operation.REVERSE, request, body)

    async def refund(self, request: RefundRequest) -> Outcome:
        body = {"original_reference": request.original_reference}
        return await self._send(Operation.REFUND, request, body)

    async def payout(self, request: PayoutRequest) -> Outcome:
        body = {"beneficiary": msgspec.to_builtins(request.beneficiary)}
        asked = {"mode": request.mode, "purpose": request.purpose}
        body |= {name: value for name, value in asked.items() if value is not None}
        return await self._send(Operation.PAYOUT, request, body)

    async def name_of(self, payee: Payee) -> NameFound | None:
        """Believed only where it can be read as a whole."""
        content = msgspec.json.encode({"beneficiary": msgspec.to_builtins(payee)})
        headers = {"Content-Type": "application/json"}
        try:
            response = await self._ask("POST", f"{self._url}/names", content, headers)
            if response.status_code == 404:
                answers.check_not_found(response)
                return NameFound(name=None)
            return answers.name_found(response)
        except (*_NO_ANSWER, *NO_SENSE) as error:
            self._note("name_of", "", error)
            return None

    async def create_mandate(self, request: MandateRequest) -> Outcome:
        upi = await self._clear_upi(request.upi)
        if upi is None:
            return own_outcome(OutcomeKind.FAILED, "vpa_unavailable")
        body = {"upi": upi, "mandate": _given(request.terms)}
        return await self._send(Operation.MANDATE, request, body)

    async def revoke_mandate(self, request: MandateRevokeRequest) -> Outcome:
        body = {"original_reference": request.original_reference}
        return await self._send(Operation.MANDATE_REVOKE, request, body)

    async def notify_payer(self, notice: MandateNotice) -> bool:
        """Only the rail's own word counts as taken."""
        content = msgspec.json.encode(
            {
                "reference": notice.reference,
                "amount": notice.amount_minor,
                "currency": notice.currency,
                "debit_from": notice.debit_from,
            }
        )
        url = f"{self._mandate_url(notice.mandate)}/notices"
        headers = {"Content-Type": "application/json"}
        try:
            answers.check_taken(await self._ask("POST", url, content, headers))
        except (*_NO_ANSWER, *NO_SENSE) as error:
            self._note("notify_payer", notice.reference, error)
            return False
        return True

    async def mandate(self, reference: str) -> RailMandate | None:
        """Believed only as a whole: an answer about another mandate, or half of one, is none."""
        try:
            response = await self._ask("GET", self._mandate_url(reference))
            if response.status_code == 404:
                return None
            return answers.mandate(response, reference)
        except (*_NO_ANSWER, *NO_SENSE) as error:
            self._note("mandate", reference, error)
            return None

    async def enquire(self, reference: str) -> Outcome:
        """An enquiry that fails has learnt nothing, not even that the rail is down."""
        try:
            response = await self._ask("GET", f"{self._url}/operations/{reference}")
            if response.status_code == 404:
                answers.check_not_found(response)  # a proxy's 404 page proves nothing
                return own_outcome(OutcomeKind.NOT_FOUND, "not_found")
            return answers.outcome(response, self._dialect, self._today())
        except _NO_ANSWER as error:
            self._note("enquire", reference, error)
            return own_outcome(OutcomeKind.UNKNOWN, "no_answer")
        except NO_SENSE as error:
            self._note("enquire", reference, error)
            return own_outcome(OutcomeKind.UNKNOWN, "bad_answer")

    async def dispute(self, reference: str) -> RailDispute | None:
        """Believed only as a whole: an answer about another dispute, or half of one, is none."""
        try:
            response = await self._ask("GET", self._dispute_url(reference))
            if response.status_code == 404:
                return None
            return answers.dispute(response, reference)
        except (*_NO_ANSWER, *NO_SENSE) as error:
            self._note("dispute", reference, error)
            return None

    async def contest(self, reference: str, evidence: str) -> bool:
        """Only the rail's own word counts as taken."""
        content = msgspec.json.encode({"evidence": evidence})
        url = f"{self._dispute_url(reference)}/evidence"
        headers = {"Content-Type": "application/json"}
        try:
            response = await self._ask("POST", url, content, headers)
            answers.check_taken(response)
        except (*_NO_ANSWER, *NO_SENSE) as error:
            self._note("contest", reference, error)
            return False
        return True

    async def _ask(
        self, method: str, url: str, content: bytes | None = None, headers: Headers = None
    ) -> httpx.Response:
        """What moves no money waits for a slot of its own kind."""
        return await self._call("enquiry", method, url, content, headers)

    async def _call(
        self, kind: Kind, method: str, url: str, content: bytes | None, headers: Headers
    ) -> httpx.Response:
        """Raises Full when there is no slot, httpx's errors, TimeoutError when all together took
        too long.
        """
        async with self._bulkhead.slot(kind), asyncio.timeout(self._call_s):
            return await self._client.request(
                method, url, content=content, headers=headers, timeout=self._timeout
            )

    def _dispute_url(self, reference: str) -> str:
        # A hint brings the reference: it names one dispute, never another path.
        return f"{self._url}/disputes/{quote(reference, safe='')}"

    def _mandate_url(self, reference: str) -> str:
        return f"{self._url}/mandates/{quote(reference, safe='')}"

    async def _send(
        self,
        operation: Operation,
        request: RailRequest,
        body: dict[str, Any],
    ) -> Outcome:
        if operation not in self.capabilities:
            return own_outcome(OutcomeKind.FAILED, "unsupported")
        if self._dialect == "upi":
            body["txn_id"] = upi_ids.of_reference(request.reference)
        content = msgspec.json.encode(
            {
                "reference": request.reference,
                "amount": request.amount_minor,
                "currency": request.currency,
                **body,
            }
        )
        headers = {"Idempotency-Key": request.reference, "Content-Type": "application/json"}
        url = f"{self._url}/{operation.value}"
        try:
            response = await self._call("operation", "POST", url, content, headers)
            if response.status_code in _REJECTED:
                self._note(operation.value, request.reference, f"status {response.status_code}")
                return own_outcome(OutcomeKind.FAILED, "rejected")
            return answers.outcome(response, self._dialect, self._today())
        except (Full, httpx.PoolTimeout) as error:
            self._note(operation.value, request.reference, error)
            return own_outcome(OutcomeKind.FAILED, "rail_busy")
        except _NEVER_SENT as error:
            self._note(operation.value, request.reference, error)
            return own_outcome(OutcomeKind.FAILED, "no_connection")
        except (httpx.HTTPError, TimeoutError) as error:
            self._note(operation.value, request.reference, error)
            return own_outcome(OutcomeKind.UNKNOWN, "no_answer")
        except NO_SENSE as error:
            self._note(operation.value, request.reference, error)
            return own_outcome(OutcomeKind.UNKNOWN, "bad_answer")

    async def _clear_card(self, reference: CardReference) -> dict[str, Any] | None:
        if self._cards is None:
            return None
        try:
            card = await self._cards.reveal(reference.token_id, reference.merchant_id)
        except KhataError as error:
            log.warning("card_unavailable", rail=self._name, code=error.code)
            return None
        part = {
            "pan": card.pan.reveal(),
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "cvc": reference.cvc.reveal() if reference.cvc else None,
            "cryptogram": reference.cryptogram.reveal() if reference.cryptogram else None,
            "eci": reference.eci,
        }
        return {name: value for name, value in part.items() if value is not None}

    async def _clear_upi(self, upi: Upi) -> dict[str, Any] | None:
        part: dict[str, Any] = msgspec.to_builtins(structs.replace(upi, payer=None, payee=None))
        for side, reference in (("payer_vpa", upi.payer), ("payee_vpa", upi.payee)):
            if reference is None:
                continue
            vpa = await self._open_vpa(reference)
            if vpa is None:
                return None
            part[side] = vpa.reveal()
        return {name: value for name, value in part.items() if value is not None}

    async def _open_vpa(self, reference: VpaReference) -> SecretText | None:
        """None where it cannot be had: nothing is sent then."""
        if self._cards is None:
            return None
        try:
            return await self._cards.open_vpa(reference)
        except KhataError as error:
            log.warning("vpa_unavailable", rail=self._name, code=error.code)
            return None

    def _today(self) -> date:
        """Codes mean what they mean on the day of the answer."""
        return business_date(self._clock.now())

    def _note(self, operation: str, reference: str, error: object) -> None:
        """The kind of trouble; the text of an error may quote what was sent."""
        what = error if isinstance(error, str | Unreadable) else type(error).__name__
        log.warning(
            "rail_trouble",
            rail=self._name,
            operation=operation,
            reference=reference,
            error=str(what),
        )


def _given(terms: Struct) -> dict[str, Any]:
    """The members that have a value."""
    part: dict[str, Any] = msgspec.to_builtins(terms)
    return {name: value for name, value in part.items() if value is not None}
