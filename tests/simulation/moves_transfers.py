"""Moves of people who send money to each other, and of payees' banks that cannot take it."""

from dataclasses import replace

from tests.simulation.auditor import Objection, compare
from tests.simulation.bank import Fate
from tests.simulation.model import day_of
from tests.simulation.model_transfers import Transfer
from tests.simulation.picking import Picking
from tests.simulation.world import Reply

NO = {"declined", "failed"}


class Sending(Picking):
    """One method a move; False where there is nothing to do it with."""

    async def send(self) -> bool:
        """From a customer to a friend; their bank may leave the credit open for a while."""
        merchant = self.random.choice(list(self.model.merchants))
        transfer = Transfer(
            people=self.model.people,
            name=f"transfer-{self.run.number()}",
            merchant=merchant,
            payer=self.random.choice(self.world.customers[merchant]),
            day=day_of(self.world.clock.now()),
            amount=self.random.choice([1, self.random.randint(1, 45_000_00), 20_000_00]),
        )
        body = {
            "from": {"customer_id": transfer.payer, "vpa": f"{merchant}@ybl"},
            "to": {"vpa": f"friend{self.random.randint(1, 3)}@oksbi"},
            "amount": transfer.amount,
            "device_id": "phone",
        }
        over = self.model.people.refuses(transfer.payer, transfer.day, transfer.amount)
        plan = replace(self.run.plan(), hold="")
        if self.random.random() < 0.25:
            plan = replace(plan, fate=self.random.choice([Fate.DEEMED, Fate.DEEMED_IN_VAIN]))
        self.run.step.say(merchant, transfer.name, transfer.amount, f"[{plan}]")
        self.run.bank.plans, asked = [plan], len(self.run.bank.asked)
        client = self.world.clients[merchant]
        reply = await client.post("/api/v1/transfers", body, transfer.name)
        self.run.bank.plans.clear()
        new = self.run.bank.asked[asked:]
        if reply.status == 201 and reply.body["status"] == "blocked" and not new:
            return True  # risk says no, once somebody was part of a fraud
        if over:
            return self._refused(transfer, reply, len(new))
        if len(new) != 1 or reply.status not in {201, 202}:
            raise Objection(f"{transfer} reached the bank {len(new)} times: {reply}")
        (record,) = new
        transfer.id, transfer.rail = reply.body["id"], record.rail
        transfer.authorization = record.reference
        transfer.counts(1)
        self.model.transfers.append(transfer)
        self.model.sent(record, transfer, self.world.clock.now())
        self.run.hear()
        self._judge(transfer, reply, 201)
        again = await client.post("/api/v1/transfers", body, transfer.name)
        if not again.replayed or again.body["id"] != transfer.id:
            raise Objection(f"{transfer} was sent again: {again}")
        return True

    def _refused(self, transfer: Transfer, reply: Reply, asked: int) -> bool:
        self.run.step.say("→ refused: limit_exceeded")
        if reply.code != "limit_exceeded" or asked:
            raise Objection(f"limit_exceeded expected for {transfer}, came {reply}")
        self.run.refusals["limit_exceeded"] = self.run.refusals.get("limit_exceeded", 0) + 1
        return True

    def _judge(self, transfer: Transfer, reply: Reply, done: int) -> None:
        self.run.step.say("→", reply.status, transfer.status)
        open_ = transfer.status in {"processing", "requires_action", "unknown", "deemed"}
        if reply.status != (202 if open_ else done):
            raise Objection(f"{transfer} is answered by {reply}")
        compare(transfer.name, reply.body, transfer.shown())

    async def call_off(self) -> bool:
        """While the payer is waited for; once it is over, that is refused."""
        transfer = self.pick(self.model.transfers)
        if transfer is None:
            return False
        voids = [a for a in self.model.attempts.values() if a.operation == "void"]
        under_way = any(each.open and each.of is transfer for each in voids)
        path = f"/api/v1/transfers/{transfer.id}/cancel"
        self.run.bank.plans, asked = [replace(self.run.plan(), hold="")], len(self.run.bank.asked)
        key = f"call-off-{self.run.number()}"
        reply = await self.world.clients[transfer.merchant].post(path, {}, key)
        self.run.bank.plans.clear()
        new = self.run.bank.asked[asked:]
        self.run.step.say(transfer.name, "→", reply.status)
        if transfer.status != "requires_action" or under_way:
            if reply.code != "illegal_state" or new:
                raise Objection(f"{transfer} was called off: {reply}")
            return True
        (record,) = new
        self.model.sent(record, transfer, self.world.clock.now())
        self.run.hear()
        if self.model.attempts[record.reference].verdict in NO:
            if reply.code != "refused_by_rail":
                raise Objection(f"the bank refused to call {transfer} off: {reply}")
        else:
            self._judge(transfer, reply, 200)
        return True

    async def look(self) -> bool:
        """What the service shows of one is what the model knows."""
        transfer = self.pick(self.model.transfers)
        if transfer is None:
            return False
        path = f"/api/v1/transfers/{transfer.id}"
        shown = await self.world.clients[transfer.merchant].get(path)
        self.run.step.say(transfer.name, transfer.status)
        compare(transfer.name, shown.body, transfer.shown())
        return True
