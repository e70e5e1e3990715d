"""A move of payers by UPI whose payee's bank does not say at once whether it has the money.

It acts later like any payer who is waited for: `act` and `recover` of the other groups.
"""

from dataclasses import replace

from tests.simulation.bank import Fate
from tests.simulation.moves_selling import UPI, Selling


class Deeming(Selling):
    """One method a move; False where there is nothing to do it with."""

    async def pay_deemed(self) -> bool:
        """Mostly one that is to be captured at once: what only holds money is told nobody."""
        merchant = self.random.choice(list(self.model.merchants))
        manual = self.random.random() < 0.15
        payment = self._new_payment(merchant, self.random.randint(1, 900_00), "upi", manual=manual)
        body: dict[str, object] = {
            "amount": payment.amount,
            "payment_method": UPI,
            "capture_method": "manual" if manual else "automatic",
        }
        ask = self.ask("pay", "/payments", body, payment)
        ask.done = 201
        fate = self.random.choice([Fate.DEEMED, Fate.DEEMED_IN_VAIN])
        return await self._pay(ask, None, replace(self.run.plan(), fate=fate))
