"""Moves of customers who ask what they may still pay, and then pay just that, or one paisa more."""

from tests.simulation.auditor import compare
from tests.simulation.model import day_of
from tests.simulation.moves_selling import UPI, Selling


class Limiting(Selling):
    """One method a move; False where there is nothing to do it with."""

    async def ask_headroom(self) -> bool:
        """What a customer is told is what the model knows they have left."""
        merchant = self.random.choice(list(self.model.merchants))
        payer = self.random.choice(self.world.customers[merchant])
        await self._headroom(merchant, payer)
        return True

    async def pay_headroom(self) -> bool:
        """All that is left, or one paisa too much."""
        merchant = self.random.choice(list(self.model.merchants))
        payer = self.random.choice(self.world.customers[merchant])
        left = await self._headroom(merchant, payer)
        amount = left + self.random.choice([0, 1])
        if amount == 0:
            return False
        payment = self._new_payment(merchant, amount, "upi", manual=False)
        payment.payer = payer
        body: dict[str, object] = {"amount": amount, "payment_method": UPI, "customer_id": payer}
        ask = self.ask("pay", "/payments", body, payment)
        ask.done = 201
        return await self._pay(ask, None)

    async def _headroom(self, merchant: str, payer: str) -> int:
        used = self.model.spent[payer, day_of(self.world.clock.now())]
        left = max(0, self.model.daily_limit - used)
        reply = await self.world.clients[merchant].get(f"/api/v1/customers/{payer}/limits")
        shown = {each["rule"]: each for each in reply.body["limits"]}
        compare(
            f"limits of {payer}",
            {"headroom": reply.body["headroom"], "used": shown["amount_per_day"]["used"]},
            {"headroom": left, "used": used},
        )
        return left
