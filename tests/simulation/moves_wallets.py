"""Moves of users with a wallet: loading, paying, getting back, closing; and of the worker."""

from dataclasses import replace

from tests.simulation.auditor import Objection, compare
from tests.simulation.bank import Record
from tests.simulation.model import day_of
from tests.simulation.model_wallets import MOST_A_PAYMENT, Load, Purse, Spent
from tests.simulation.picking import Picking
from tests.simulation.world import Reply

LITE = {"type": "upi", "upi": {"lite": True}}


class Keeping(Picking):
    """One method a move; False where there is nothing to do it with."""

    async def _purse(self) -> Purse:
        """One of three; the first look at one opens it."""
        n = self.random.randrange(3)
        if n < len(self.model.purses):
            return self.model.purses[n]
        client = self.world.clients["large"]
        user = await client.post("/api/v1/customers", {"upi_type": "max"})
        purse = Purse(f"wallet-{len(self.model.purses)}", "large", user.body["id"])
        await self._open(purse)
        self.model.purses.append(purse)
        return purse

    async def _open(self, purse: Purse) -> None:
        body = {"customer_id": purse.customer}
        reply = await self.world.clients[purse.merchant].post("/api/v1/wallets", body)
        purse.closed = purse.sweep = False
        if reply.status != 201:
            raise Objection(f"{purse} does not open: {reply}")
        compare(purse.name, reply.body, purse.shown())

    async def _post(self, purse: Purse, path: str, body: dict[str, object]) -> Reply:
        key = f"wallet-{self.run.number()}"
        return await self.world.clients[purse.merchant].post(f"/api/v1{path}", body, key)

    def _refused(self, reply: Reply, refusal: str) -> bool:
        self.run.step.say("→ refused:", refusal)
        self.run.refusals[refusal] = self.run.refusals.get(refusal, 0) + 1
        if reply.code != refusal:
            raise Objection(f"{refusal} expected, came {reply}")
        return True

    async def load(self) -> bool:
        """By a rail; the wallet takes it unless it would hold too much, or is closed."""
        purse = await self._purse()
        if purse.closed and self.random.random() < 0.7:
            await self._open(purse)
        load = Load(
            purse=purse,
            money=self.model.money,
            name=f"load-{self.run.number()}",
            amount=self.random.choice([1, self.random.randint(1, 1_500_00), 2_000_00]),
        )
        plan = replace(self.run.plan(), hold="")
        self.run.step.say(purse.name, load.name, load.amount, f"[{plan}]")
        self.run.bank.plans, asked = [plan], len(self.run.bank.asked)
        path = f"/wallets/{purse.customer}/top-ups"
        reply = await self._post(purse, path, {"amount": load.amount})
        self.run.bank.plans.clear()
        new = self.run.bank.asked[asked:]
        refusal = "wallet_closed" if purse.closed else "limit_exceeded"
        if purse.closed or not purse.has_room(load.amount):
            if new:
                raise Objection(f"{load} reached the bank: {reply}")
            return self._refused(reply, refusal)
        if len(new) != 1 or reply.status not in {201, 202}:
            raise Objection(f"{load} reached the bank {len(new)} times: {reply}")
        (record,) = new
        load.id, load.rail, load.reference = reply.body["id"], record.rail, record.reference
        purse.loads.append(load)
        self.model.sent(record, load, self.world.clock.now())
        self.run.hear()
        self.run.step.say("→", reply.status, load.status)
        compare(load.name, reply.body, load.shown())
        return True

    async def spend(self) -> bool:
        """At once and without a rail, or not at all."""
        purse = await self._purse()
        amount = min(self.amount(max(purse.balance, 2) // 2), MOST_A_PAYMENT)
        now = self.world.clock.now()
        body = {"amount": amount, "payment_method": LITE, "customer_id": purse.customer}
        self.run.step.say(purse.name, amount, "of", purse.balance)
        asked = len(self.run.bank.asked)
        reply = await self._post(purse, "/payments", body)
        if len(self.run.bank.asked) != asked:
            raise Objection(f"a payment from {purse} reached the bank")
        if purse.closed:
            return self._refused(reply, "wallet_closed")
        if reply.status == 201 and reply.body["status"] == "blocked":
            return True  # risk says no, once somebody was part of a fraud
        if self.model.would_pass_limit(purse.customer, amount, now):
            return self._refused(reply, "limit_exceeded")
        if amount > purse.balance:
            return self._refused(reply, "insufficient_funds")
        fields = {"status": "captured", "amount_captured": amount, "rail": "onus", "fee": 0}
        compare(purse.name, reply.body, fields)
        purse.balance -= amount
        purse.spent.append(Spent(reply.body["id"], amount, day_of(now)))
        self.model.spent[purse.customer, day_of(now)] += amount
        self.model.moved(purse.merchant, now, "gross", amount)
        return True

    async def _spent(self) -> tuple[Purse, Spent] | None:
        purse = await self._purse()
        spent = self.pick(purse.spent)
        return (purse, spent) if spent is not None else None

    async def refund(self) -> bool:
        """Into the wallet, above its ceiling and when it is closed, too."""
        found = await self._spent()
        if found is None:
            return False
        purse, spent = found
        left = 0 if spent.reversed else spent.amount - spent.refunded
        amount = self.amount(max(left, 1))
        reply = await self._post(purse, "/refunds", {"payment": spent.id, "amount": amount})
        self.run.step.say(purse.name, amount, "of", left, "→", reply.status)
        if spent.reversed:
            return self._refused(reply, "illegal_state")
        if amount > left:
            return self._refused(reply, "over_refund")
        merchant = self.model.merchants[purse.merchant]
        if merchant.balance - amount < -merchant.exposure:
            return self._refused(reply, "insufficient_funds")
        compare(purse.name, reply.body, {"status": "succeeded", "amount": amount})
        spent.refunded += amount
        self._came_back(purse, amount)
        self.model.moved(purse.merchant, self.world.clock.now(), "refunds", amount)
        return True

    async def reverse(self) -> bool:
        found = await self._spent()
        if found is None:
            return False
        purse, spent = found
        reply = await self._post(purse, f"/payments/{spent.id}/reverse", {})
        self.run.step.say(purse.name, spent.amount, "→", reply.status)
        if spent.reversed or spent.refunded:
            return self._refused(reply, "illegal_state")
        if self.model.merchants[purse.merchant].settled_until >= spent.day:
            return self._refused(reply, "already_settled")
        compare(purse.name, reply.body, {"status": "reversed"})
        spent.reversed = True
        self._came_back(purse, spent.amount)
        self.model.moved(purse.merchant, self.world.clock.now(), "gross", -spent.amount)
        return True

    def _came_back(self, purse: Purse, amount: int) -> None:
        purse.balance += amount
        purse.sweep = purse.sweep or purse.closed

    async def close(self) -> bool:
        """What is in it goes back by the newest top-ups first; a closed one is opened again."""
        purse = await self._purse()
        if purse.closed:
            await self._open(purse)
            return True
        parts = purse.emptied()
        self.run.bank.plans = [replace(self.run.plan(), hold="") for _ in parts]
        asked = len(self.run.bank.asked)
        reply = await self._post(purse, f"/wallets/{purse.customer}/close", {})
        self.run.bank.plans.clear()
        self.run.step.say(purse.name, purse.balance, "→", reply.status)
        self._begun(parts, self.run.bank.asked[asked:])
        purse.closed = purse.sweep = True
        compare(purse.name, reply.body, purse.shown())
        self.run.hear()
        return True

    async def give_back(self) -> bool:
        """The worker's turn with wallets that are closed, and with what rails had refused."""
        now = self.world.clock.now()
        swept = [part for p in self.model.purses if p.sweep for part in p.emptied()]
        due = [
            load
            for purse in self.model.purses
            for load in purse.loads
            if load.due_at is not None and load.due_at <= now
        ]
        if not any(purse.sweep for purse in self.model.purses) and not due:
            return False
        count = len(swept) + len(due)
        self.run.bank.plans = [replace(self.run.plan(), hold="") for _ in range(count)]
        asked = len(self.run.bank.asked)
        await self.world.services.wallets.sweep_due()
        self._begun(swept, self.run.bank.asked[asked:])
        for purse in self.model.purses:
            purse.sweep = False
        self.run.hear()
        asked = len(self.run.bank.asked)
        await self.world.services.top_ups.return_due()
        self.run.bank.plans.clear()
        again = [(load, load.due) for load in due]
        for load in due:
            load.due, load.due_at = 0, None
        self._begun(again, self.run.bank.asked[asked:], out_of_wallet=False)
        self.run.hear()
        self.run.step.say(len(swept), "and", len(due), "go back")
        return True

    def _begun(
        self, parts: list[tuple[Load, int]], new: list[Record], *, out_of_wallet: bool = True
    ) -> None:
        """The bank was asked for just these."""
        wanted = sorted((load.reference, amount) for load, amount in parts)
        if sorted((record.original or "", record.amount) for record in new) != wanted:
            raise Objection(f"{wanted} were to go back: {new}")
        loads = {load.reference: load for load, _ in parts}
        for record in new:
            load = loads[record.original or ""]
            load.returning += record.amount
            load.purse.balance -= record.amount * out_of_wallet
            self.model.sent(record, load, self.world.clock.now())

    async def look(self) -> bool:
        """What the service shows of one is what the model knows."""
        purse = await self._purse()
        client = self.world.clients[purse.merchant]
        shown = await client.get(f"/api/v1/wallets/{purse.customer}")
        compare(purse.name, shown.body, purse.shown())
        for load in purse.loads[-5:]:
            compare(load.name, (await client.get(f"/api/v1/top-ups/{load.id}")).body, load.shown())
        return True
