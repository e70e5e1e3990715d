"""The mandates of a rail in the process: who permitted what, and what a debit under it meets.

Belongs here: the memory of `in_process.py` for mandates, and the sandbox's refusals of debits.
Does not: answers and their numbers.
"""

from collections import OrderedDict
from typing import Final, Literal

from msgspec import Struct, structs

from online.rails import magic
from online.rails.domain import (
    AuthorizeRequest,
    MandateRequest,
    OutcomeKind,
)
from online.rails.magic import Magic
from online.rails.mandates import MandateNotice, RailMandate

_REMEMBERED: Final = 100_000
_NO: Final = OutcomeKind.DECLINED
NOT_FOUND: Final = Magic(kind=_NO, code="25")
TOO_MUCH: Final = Magic(kind=_NO, code="61")
_OVER: Final = {
    "revoked": Magic(kind=_NO, code="JPMR"),
    "paused": Magic(kind=_NO, code="JPMP"),
    "failed": NOT_FOUND,
}


class Permit(Struct, frozen=True):
    vpa: str
    amount_minor: int
    exact: bool
    status: Literal["active", "paused", "revoked", "failed"]
    debits: int = 0


class MandateBook:
    def __init__(self) -> None:
        self._permits: OrderedDict[str, Permit] = OrderedDict()
        self._met: OrderedDict[str, Magic] = OrderedDict()  # by a debit's reference
        self.notices: OrderedDict[str, MandateNotice] = OrderedDict()

    def ask(self, request: MandateRequest, vpa: str) -> Magic:
        """What the payer says; it is remembered."""
        rule = magic.of_amount(request, "upi") or magic.of_mandate(vpa) or magic.ORDINARY
        agreed = rule.kind is OutcomeKind.APPROVED and rule.when != "lost"
        permit = Permit(
            vpa,
            request.amount_minor,
            request.terms.amount_rule == "exact",
            "active" if agreed else "failed",
        )
        self._permits.setdefault(request.reference, permit)
        if len(self._permits) > _REMEMBERED:
            self._permits.popitem(last=False)
        return rule

    def debit(self, request: AuthorizeRequest, reference: str, *, factor: bool) -> Magic:
        """What a debit comes to, the same for the same reference. One that needs the payer's PIN
        waits for it first."""
        known = self._met.get(request.reference)
        if known is not None:
            return known
        rule = self._met[request.reference] = self._meets(request, reference, factor=factor)
        if len(self._met) > _REMEMBERED:
            self._met.popitem(last=False)
        return rule

    def _meets(self, request: AuthorizeRequest, reference: str, *, factor: bool) -> Magic:
        permit = self._permits.get(reference)
        if permit is None:
            return NOT_FOUND
        if permit.status != "active":
            return _OVER[permit.status]
        if request.amount_minor > permit.amount_minor or (
            permit.exact and request.amount_minor != permit.amount_minor
        ):
            return TOO_MUCH
        self._permits[reference] = structs.replace(permit, debits=permit.debits + 1)
        rule = magic.of_amount(request, "upi") or magic.of_debit(permit.vpa, permit.debits)
        return structs.replace(rule, when="later") if factor and rule.when == "at once" else rule

    def revoke(self, reference: str) -> Magic | None:
        """None: it is done, or was."""
        if reference not in self._permits:
            return NOT_FOUND
        self.set_status(reference, "revoked")
        return None

    def set_status(
        self, reference: str, status: Literal["active", "paused", "revoked", "failed"]
    ) -> None:
        """What the payer does in their app, too."""
        self._permits[reference] = structs.replace(self._permits[reference], status=status)

    def find(self, reference: str) -> RailMandate | None:
        permit = self._permits.get(reference)
        return None if permit is None else RailMandate(reference=reference, status=permit.status)

    def notify(self, notice: MandateNotice) -> bool:
        permit = self._permits.get(notice.mandate)
        if permit is None or permit.status != "active":
            return False
        self.notices.setdefault(notice.reference, notice)
        return True
