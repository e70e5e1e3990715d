"""What risk asks about payments that exist and about what would pay, answered from here.

Belongs here: a payment and an instrument as risk knows them. Does not: assessing (`risk`).
"""

from uuid import UUID

from online.kernel import ids
from online.payments.domain import Payment
from online.payments.methods import card_facts
from online.payments.service import Payments
from online.risk.assessor import Instrument
from online.risk.domain import RiskInput
from online.vault.service import Vault


class AssessedInstruments:
    """Answers risk's question about instruments from the vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def instrument_of(
        self, merchant_id: UUID, *, vpa: str | None, card_token: str | None
    ) -> Instrument:
        if card_token is None:
            return Instrument(key=self._vault.instrument_hash(vpa or ""))
        token = await self._vault.token(ids.decode("tok", card_token), merchant_id)
        return Instrument(key=token.fingerprint, funding=token.funding, card=card_facts(token))

    def address_of(self, address: str | None) -> str | None:
        """The address as events know it."""
        return None if address is None else self._vault.ip_hash(address)


class AssessedPayments:
    """Answers risk's question about a payment that exists."""

    def __init__(self, payments: Payments) -> None:
        self._payments = payments

    async def risk_input(
        self, payment_id: UUID, *, merchant_id: UUID, livemode: bool
    ) -> RiskInput | None:
        payment = await self._payments.get(payment_id, merchant_id)
        return _risk_input(payment) if payment.livemode == livemode else None


def _risk_input(payment: Payment) -> RiskInput:
    customer = payment.customer_id
    return RiskInput(
        payment_id=payment.id,
        at=payment.created_at,
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        method=payment.method,
        merchant_id=payment.merchant_id,
        instrument=payment.instrument,
        customer_key=ids.encode("cus", customer) if customer else None,
        device_key=payment.device_id,
        ip_key=payment.ip_hash,
        livemode=payment.livemode,
        # What a UPI payment was funded by, its rail told later.
        funding=payment.funding if payment.card else None,
        card=payment.card,
    )
