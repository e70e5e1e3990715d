"""The bank's words: the answer to an operation, at first and when it has ended.

Belongs here: answers and their numbers, links and check results. Does not: what is decided
(`decisions.py`) and when the caller hears of it (`delivery.py`).
"""

from datetime import datetime

import msgspec

from online.sandbox import links, numbers, payees
from online.sandbox.behaviour import Outcome, Said
from online.sandbox.rails import RAILS, Rail
from online.sandbox.records import Eventual, StoredOperation
from online.sandbox.wire import Answer, Checks, OperationRequest

WAITING: Said = Said("pending", "01", "Waiting for the payer")


class Answers:
    """`public_url` is where payers reach the page of a card's bank."""

    def __init__(self, seed: int, public_url: str) -> None:
        self.seed = seed
        self._public_url = public_url

    def final(
        self,
        rail: Rail,
        request: OperationRequest,
        outcome: Outcome,
        found: Checks | None,
        at: datetime,
    ) -> Answer:
        """Of an operation that has ended with its request."""
        approved = outcome.status == "approved"
        by_card = request.card is not None and approved
        said = Said(outcome.status, outcome.code, outcome.message)
        return msgspec.structs.replace(
            self._bare(rail, request, said, at),
            auth_code=numbers.auth_code(self.seed, request.reference) if by_card else None,
            checks=found,
            funding=outcome.funding if request.upi is not None and approved else None,
            beneficiary_name=_payee_name(request) if approved else None,
        )

    def first(self, rail: Rail, request: OperationRequest, said: Said, at: datetime) -> Answer:
        """Of one that ends later; a payer who has to act is told how."""
        answer = self._bare(rail, request, said, at)
        if said.status != "pending":
            return answer
        action = links.next_action(request, answer.network_reference, self._public_url)
        return msgspec.structs.replace(answer, next_action=action)

    def deemed(
        self, rail: Rail, request: OperationRequest, outcome: Outcome, at: datetime
    ) -> Answer:
        """Of a payment by UPI whose payer is debited: where the money came from is known."""
        answer = self._bare(rail, request, outcome.meanwhile, at)
        return msgspec.structs.replace(answer, funding=outcome.funding)

    def last(self, stored: StoredOperation, eventual: Eventual) -> Answer:
        """Of an operation that ends now, after an earlier answer."""
        old, outcome = stored.answer, eventual.outcome
        pays = outcome.status == "approved" and stored.operation == "authorize"
        by_card = pays and RAILS[stored.rail].method == "card"
        by_upi = pays and RAILS[stored.rail].method == "upi"
        return Answer(
            status=outcome.status,
            code=outcome.code,
            rail_reference=old.rail_reference,
            network_reference=old.network_reference,
            auth_code=numbers.auth_code(self.seed, stored.reference) if by_card else None,
            message=outcome.message,
            next_action=None,
            checks=eventual.checks,
            funding=outcome.funding if by_upi else None,
            beneficiary_name=eventual.payee if outcome.status == "approved" else None,
        )

    def _bare(self, rail: Rail, request: OperationRequest, said: Said, at: datetime) -> Answer:
        number = numbers.rail_reference(rail, self.seed, request.reference, at, request.mode)
        if request.mandate is not None:
            number = numbers.mandate_number(rail, self.seed, request.reference)
        return Answer(
            status=said.status,
            code=said.code,
            rail_reference=number,
            network_reference=request.txn_id
            or numbers.network_reference(rail, self.seed, request.reference, request.mode),
            auth_code=None,
            message=said.message,
            next_action=None,
        )


def _payee_name(request: OperationRequest) -> str | None:
    return payees.name_of(request.beneficiary) if request.beneficiary else None
