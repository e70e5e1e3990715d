"""Who is asked for a mandate: a customer, by a VPA, a handle, or a link for whatever app they use.

The VPA goes to the rail in the one call that asks, and nowhere else: from then on the rail knows
the payer by the mandate.
"""

from uuid import UUID

from online.customers.domain import mask_vpa
from online.customers.service import Customers
from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.limits.authority import Purchase, Sources
from online.mandates.outcomes import Payer, Terms
from online.mandates.service import NewMandate
from online.rails.domain import Upi
from online.upi.service import payee_vpa
from online.vault.service import Vault


class Payers:
    """`handles` is asked what is behind a handle."""

    def __init__(self, customers: Customers, vault: Vault, handles: Sources) -> None:
        self._customers = customers
        self._vault = vault
        self._handles = handles

    async def by_vpa(
        self, owner: tuple[UUID, bool], customer_id: UUID, terms: Terms, vpa: str | None
    ) -> NewMandate:
        """Without a VPA the payer opens a link, or scans it. `owner`: merchant and livemode."""
        merchant_id, _ = owner
        await self._may(customer_id, merchant_id)
        return NewMandate(
            merchant_id=merchant_id,
            terms=terms,
            payer=Payer(
                customer_id=customer_id,
                key=self._vault.instrument_hash(vpa or ids.encode("cus", customer_id)),
                mask=mask_vpa(vpa) if vpa else "upi",
            ),
            upi=Upi(
                flow="collect" if vpa else "intent", payee_vpa=payee_vpa(merchant_id), payer_vpa=vpa
            ),
        )

    async def by_handle(
        self, owner: tuple[UUID, bool], customer_id: UUID, terms: Terms, handle: str
    ) -> NewMandate:
        """A mandate is one use of a handle, of its whole amount."""
        merchant_id, livemode = owner
        await self._may(customer_id, merchant_id)
        purchase = Purchase(
            merchant_id=merchant_id,
            livemode=livemode,
            amount_minor=terms.max_amount_minor,
            currency="INR",
            customer_id=customer_id,
        )
        source = await self._handles.source(handle, purchase)
        authority = source.authority
        if authority.customer_id != customer_id:
            raise InvalidRequest("this handle belongs to another customer", "handle")
        return NewMandate(
            merchant_id=merchant_id,
            terms=terms,
            payer=Payer(
                customer_id=customer_id, key=source.key, mask=source.mask, handle_id=authority.id
            ),
            upi=Upi(flow="collect", payee_vpa=payee_vpa(merchant_id), payer=source.vpa),
            behind=authority,
        )

    async def _may(self, customer_id: UUID, merchant_id: UUID) -> None:
        customer = await self._customers.get(customer_id, merchant_id)
        self._customers.require(customer, "mandate")
