"""Moves on money that is held: placed, let go in parts, kept for longer. It is taken, canceled and
expires as any other authorization does."""

from tests.simulation.model import HAS_MONEY
from tests.simulation.model_holds import Hold
from tests.simulation.moves_selling import UPI, Selling
from tests.simulation.things import Payment


class Holding(Selling):
    """One method a move; False where there is nothing to do it with."""

    async def place(self) -> bool:
        merchant = self.random.choice(list(self.model.merchants))
        method, wire = self._method(merchant)
        payment = self._new_payment(merchant, self.random.randint(1, 900_00), method, manual=True)
        payment.hold = Hold(f"hold of {payment.name}", payment.amount, wire is UPI)
        body: dict[str, object] = {"amount": payment.amount, "payment_method": wire}
        ask = self.ask("pay", "/holds", body, payment)
        ask.done = 201
        return await self._pay(ask, None)

    def _held(self) -> list[Payment]:
        return [each for each in self.known() if each.hold is not None and each.hold.id]

    async def release(self) -> bool:
        held = self._held()
        payment = self.pick([each for each in held if each.capturable > 0] or held)
        if payment is None or payment.hold is None:
            return False
        whole = self.random.random() < 0.25
        wanted = payment.capturable if whole else self.amount(payment.capturable)
        body: dict[str, object] = {} if whole else {"amount": wanted}
        refusal = None
        if payment.status not in {"authorized", *HAS_MONEY}:
            refusal = "illegal_state"
        elif not 0 < wanted <= payment.capturable:
            refusal = "over_release"
        ask = self.ask("release", f"/holds/{payment.hold.id}/release", body, payment)
        await self.run.perform(ask, refusal)
        return True

    async def extend(self) -> bool:
        held = self._held()
        payment = self.pick([each for each in held if each.capturable > 0] or held)
        if payment is None or payment.hold is None:
            return False
        due, refusal = payment.expires_at, None
        over = due is None or due <= self.world.clock.now() or not payment.capturable
        if over or payment.status not in {"authorized", *HAS_MONEY}:
            refusal = "illegal_state"
        elif not payment.hold.by_upi:
            refusal = "not_extendable"
        ask = self.ask("extend", f"/holds/{payment.hold.id}/extend", {}, payment)
        await self.run.perform(ask, refusal)
        return True
