"""Moves of a merchant that pays others out of its payable balance, and of what races with it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from online.operations.worker import pay_once
from tests.simulation.auditor import Objection, compare
from tests.simulation.model_payouts import COOLING, Beneficiary, Payout
from tests.simulation.picking import Picking
from tests.simulation.workload import Workload
from tests.simulation.world import Reply

PAYS = "large"  # whose settlements stay payable, by its contract


class Paying(Picking):
    """One method a move; False where there is nothing to do it with."""

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.client = self.world.clients[PAYS]
        self.book = self.model.merchants[PAYS]
        self.calls: list[tuple[dict[str, object], str, Payout, Reply]] = []

    # ── whom ─────────────────────────────────────────────────────────────────────────────

    async def name(self) -> bool:
        """Somebody new; now and then the bank does not say whose VPA it is."""
        number = self.run.number()
        self.run.bank.nameless = self.random.choice([0, 0, 0, 1])
        body = {"name": f"Payee {number}", "vpa": f"payee{number}@ybl"}
        reply = await self.client.post("/api/v1/payout-beneficiaries", body, f"bnf-{number}")
        silent, self.run.bank.nameless = self.run.bank.nameless == 0 and reply.status == 202, 0
        made = Beneficiary(f"beneficiary {number}", PAYS, reply.body["id"], "pending", 1, None)
        if not silent:
            self._cools(made)
        self.model.beneficiaries.append(made)
        self.run.step.say(made.name, "→", reply.status, made.status)
        compare(made.name, reply.body, made.shown())
        return True

    async def verify(self) -> bool:
        made = self.pick([each for each in self.model.beneficiaries if each.status == "pending"])
        if made is None:
            return False
        reply = await self.client.post(f"/api/v1/payout-beneficiaries/{made.id}/verify", {})
        self._cools(made)
        self.run.step.say(made.name)
        compare(made.name, reply.body, made.shown())
        return True

    async def change(self) -> bool:
        """Another account, or the end of it."""
        made = self.pick([each for each in self.model.beneficiaries if each.status != "disabled"])
        if made is None:
            return False
        path, number = f"/api/v1/payout-beneficiaries/{made.id}", self.run.number()
        if self.random.random() < 0.3:
            reply = await self.client.post(f"{path}/disable", {})
            made.status = "disabled"
        else:
            body = {"name": f"Payee {number}", "vpa": f"other{number}@ybl"}
            reply = await self.client.post(path, body)
            made.edition += 1
            self._cools(made)
        self.run.step.say(made.name, made.status)
        compare(made.name, reply.body, made.shown())
        return True

    def _cools(self, made: Beneficiary) -> None:
        made.status, made.usable_from = "cooling", self.world.clock.now() + COOLING

    # ── how much ─────────────────────────────────────────────────────────────────────────

    async def pay(self) -> bool:
        to = self.pick(self.model.beneficiaries)
        if to is None:
            return False
        number, now = self.run.number(), self.world.clock.now()
        amount = min(self.amount(max(self.book.payable, 1)), 1_00_000_00)
        refusal = "" if to.is_usable(now) else "beneficiary_not_usable"
        if not refusal and amount > self.book.payable:
            refusal = "insufficient_funds"
        body = {"beneficiary": to.id, "amount": amount}
        made = Payout(f"payout {number}", self.book, PAYS, to, to.edition, amount)
        plan = replace(self.run.plan(), hold="")
        self.run.step.say(made.name, amount, f"[{plan}]")
        self.run.bank.plans, asked = [plan], len(self.run.bank.asked)
        key = f"pout-{number}"
        reply = await self.client.post("/api/v1/payouts", body, key)
        self.run.bank.plans.clear()
        new = self.run.bank.asked[asked:]
        if refusal:
            self.run.step.say("→ refused:", refusal)
            self.run.refusals[refusal] = self.run.refusals.get(refusal, 0) + 1
            if reply.code != refusal or new:
                raise Objection(f"{refusal} expected for {made}, came {reply}")
            return True
        if len(new) != 1:
            raise Objection(f"{made} reached the bank {len(new)} times: {reply}")
        self._begun(made, reply.body["id"])
        self.model.sent(new[0], made, now)
        self.run.hear()
        self.run.step.say("→", reply.status, made.status)
        compare(made.name, reply.body, made.shown())
        self.calls.append((body, key, made, reply))
        return True

    def _begun(self, made: Payout, id_: str) -> None:
        made.id = id_
        self.book.payable -= made.amount
        self.model.payouts.append(made)

    async def again(self) -> bool:
        """The same call is answered, and never carried out a second time."""
        call = self.pick(self.calls)
        if call is None:
            return False
        body, key, made, first = call
        asked = len(self.run.bank.asked)
        reply = await self.client.post("/api/v1/payouts", body, key)
        self.run.step.say(made.name, "again →", reply.status)
        if len(self.run.bank.asked) != asked or not reply.replayed:
            raise Objection(f"{made} was ordered twice: {reply}")
        if first.status == 201 and reply.raw != first.raw:
            raise Objection(f"{first} came first, now {reply}")
        if reply.body["id"] != made.id:
            raise Objection(f"{made} is {reply.body['id']} now")
        return True

    # ── later ────────────────────────────────────────────────────────────────────────────

    async def schedule(self) -> bool:
        """One at a time: two that are due together might take each other's money either way."""
        now = self.world.clock.now()
        usable = [each for each in self.model.beneficiaries if each.is_usable(now)]
        to = self.pick(usable)
        if to is None or self.model.scheduled is not None:
            return False
        number = self.run.number()
        at = now + timedelta(hours=self.random.randint(1, 30))
        made = Payout(
            f"payout {number}", self.book, PAYS, to, to.edition, self.random.randint(1, 50_00)
        )
        body = {"beneficiary": to.id, "amount": made.amount, "scheduled_at": at.isoformat()}
        reply = await self.client.post("/api/v1/payouts", body, f"pout-{number}")
        made.id, made.status = reply.body["id"], "scheduled"
        self.model.scheduled = (at, made)
        self.model.payouts.append(made)
        self.run.step.say(made.name, "for", at)
        compare(made.name, reply.body, made.shown())
        return True

    async def due(self) -> bool:
        """The worker's turn: what has cooled, and what is due; canceled at the last moment or
        not."""
        now = self.world.clock.now()
        at, made = self.model.scheduled or (None, None)
        if made is not None and self.random.random() < 0.2:
            reply = await self.client.post(f"/api/v1/payouts/{made.id}/cancel", {})
            made.status, self.model.scheduled = "canceled", None
            compare(made.name, reply.body, made.shown())
            made = None
        is_due = made is not None and at is not None and at <= now
        self.run.bank.plans = [replace(self.run.plan(), hold="")] if is_due else []
        asked = len(self.run.bank.asked)
        await pay_once(self.world.services)
        self.run.bank.plans.clear()
        for each in self.model.beneficiaries:
            if each.status == "cooling" and each.is_usable(now):
                each.status = "usable"
        new = self.run.bank.asked[asked:]
        if is_due:
            self._due(made, new)
        elif new:
            raise Objection(f"nothing was due: {new}")
        return True

    def _due(self, made: Payout, new: list[Any]) -> None:
        self.model.scheduled = None
        stopped = made.edition != made.to.edition or made.to.status == "disabled"
        if stopped or made.amount > self.book.payable:
            made.status = "failed"
            if new:
                raise Objection(f"{made} was not to be sent: {new}")
            return
        if len(new) != 1:
            raise Objection(f"{made} reached the bank {len(new)} times")
        made.status = "processing"
        self.book.payable -= made.amount
        self.model.sent(new[0], made, self.world.clock.now())
        self.run.hear()

    async def send_back(self) -> bool:
        """The bank's statement has one again that it had paid, told twice."""
        made = self.pick([each for each in self.model.payouts if each.status == "paid"])
        if made is None:
            return False
        shown = await self.client.get(f"/api/v1/payouts/{made.id}")
        line = {
            "attempt_id": shown.body["attempt_id"],
            "amount": made.amount,
            "returned_on": self.world.clock.now().date().isoformat(),
        }
        service = self.world.clients["service"]
        for said in ("recorded", "exists"):
            (answer,) = await service.lines("/internal/v1/payout-returns", line)
            if answer["status"] != said:
                raise Objection(f"{made} came back: {answer}")
        made.status = "returned"
        self.book.payable += made.amount
        self.run.step.say(made.name, "came back")
        return True
