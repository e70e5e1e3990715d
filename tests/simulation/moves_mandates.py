"""Moves around mandates: merchants ask, debit and stop, the worker does what is due."""

from dataclasses import replace
from datetime import timedelta

from tests.simulation.auditor import Objection
from tests.simulation.bank import Plan
from tests.simulation.model import day_of
from tests.simulation.model_mandates import Execution, Mandate
from tests.simulation.picking import Picking
from tests.simulation.things import Payment

NEXT = """select min(at) from (
    select notice_at as at from mandate_executions where status = 'scheduled' union all
    select next_try_at from mandate_executions where status in ('notified', 'retrying')) due"""
NOT_TRIED = {"mandate_paused", "mandate_over", "window_missed", "fraud_blocked", "limit_exceeded"}


class Debiting(Picking):
    """One method a move; False where there is nothing to do it with."""

    async def ask(self) -> bool:
        merchant = self.random.choice(list(self.model.merchants))
        today, name = day_of(self.world.clock.now()), f"mandate-{self.run.number()}"
        payer = self.random.choice(self.world.customers[merchant])
        body = {
            "customer_id": payer,
            "max_amount": self.random.randint(100, 300_00),
            "frequency": self.random.choice(["daily", "daily", "weekly", "monthly"]),
            "start_on": today.isoformat(),
            "end_on": (today + timedelta(days=400)).isoformat(),
            "purpose": "Magazine",
            "vpa": f"{name}@ybl",
        }
        self.run.bank.plans = [Plan()]
        reply = await self.world.clients[merchant].post("/api/v1/mandates", body, name)
        self.run.step.say(merchant, name, body["max_amount"], "→", reply.status)
        if reply.status != 201 or reply.body["status"] != "active":
            raise Objection(f"{name} was not made: {reply}")
        self.model.mandates.append(
            Mandate(
                name=name,
                merchant=merchant,
                payer=payer,
                id=reply.body["id"],
                most=reply.body["max_amount"],
                frequency=reply.body["frequency"],
                begins=today,
            )
        )
        return True

    async def debit(self) -> bool:
        """An execution in the next days; what must be refused is."""
        mandate = self.pick(self.model.mandates)
        if mandate is None:
            return False
        today = day_of(self.world.clock.now())
        day = today + timedelta(days=self.random.choice([-1, 0, 1, 1, 2, 2, 3, 5]))
        amount = self.amount(mandate.most)
        taken = {each.uses_up for each in self.model.executions if each.mandate is mandate}
        refusal = None
        if mandate.status != "active":
            refusal = "mandate_not_active"
        elif amount > mandate.most or day < mandate.begins:
            refusal = "invalid_request"
        elif day <= today:
            refusal = "notice_too_late"
        elif mandate.period(day) in taken:
            refusal = "period_taken"
        path, name = f"/api/v1/mandates/{mandate.id}/executions", f"execution-{self.run.number()}"
        body = {"amount": amount, "debit_on": day.isoformat()}
        reply = await self.world.clients[mandate.merchant].post(path, body, name)
        self.run.step.say(mandate.name, name, amount, day, "→", reply.status)
        if reply.code != refusal or (refusal is None and reply.status != 201):
            raise Objection(f"{refusal or 201} expected for {name} of {mandate}: {reply}")
        if refusal is not None:
            self.run.refusals[refusal] = self.run.refusals.get(refusal, 0) + 1
            return True
        made = Execution(name, mandate, reply.body["id"], amount, day)
        self.model.executions.append(made)
        return True

    async def stop(self) -> bool:
        """Pause, resume or revoke, whether that is possible or not."""
        mandate = self.pick(self.model.mandates)
        if mandate is None:
            return False
        action = self.random.choice(["pause", "resume", "resume", "revoke"])
        moves = {
            ("active", "pause"): "paused",
            ("paused", "resume"): "active",
            ("active", "revoke"): "revoked",
            ("paused", "revoke"): "revoked",
            ("revoked", "revoke"): "revoked",
        }
        after = moves.get((mandate.status, action))
        self.run.bank.plans = [Plan()] if after == "revoked" != mandate.status else []
        path = f"/api/v1/mandates/{mandate.id}/{action}"
        reply = await self.world.clients[mandate.merchant].post(path, {})
        self.run.bank.plans.clear()
        self.run.step.say(mandate.name, mandate.status, action, "→", reply.status)
        if (reply.status == 200) != (after is not None):
            raise Objection(f"{action} of {mandate}: {reply}")
        mandate.status = after or mandate.status
        if mandate.status == "revoked":
            for each in self.model.executions:
                await self._look(each) if each.mandate is mandate else None
        return True

    async def work(self) -> bool:
        """The worker's round, one try after the other, so that a seed is a run."""
        services = self.world.services
        if self.random.random() < 0.7:
            await self._wait_for_something()
        await services.mandates.stopping.expire_due()
        await services.mandates.executions.cancel_over()
        told = await services.mandates.executions.notify_due()
        trying, now = services.mandates.trying, self.world.clock.now()
        due, mandates = await trying._due()
        is_open = services.mandates.mandates._with.rules.is_open(now)
        self.run.step.say(f"told {told}, due {len(due)}", "" if is_open else "closed")
        for row in due if is_open else ():
            execution = next(each for each in self.model.executions if each.id == row.reference)
            plan = replace(self.run.plan(), hold="")
            self.run.bank.plans, asked = [plan], len(self.run.bank.asked)
            await trying._each([row], mandates)
            self.run.bank.plans.clear()
            self.run.step.say(f"· {execution.name} [{plan}]")
            await self._tried(execution, self.run.bank.asked[asked:])
        return bool(told or due)

    async def _wait_for_something(self) -> None:
        """Until the next notice or try is due, and a little longer."""
        ((due,),) = await self.world.rows(NEXT)
        ahead = timedelta() if due is None else due - self.world.clock.now()
        if ahead > timedelta():
            self.world.clock.advance(ahead + timedelta(minutes=self.random.randint(0, 20)))

    async def _tried(self, execution: Execution, new: list) -> None:
        now, mandate = self.world.clock.now(), execution.mandate
        over = self.model.would_pass_limit(mandate.payer, execution.amount, now)
        if not new:
            shown = await self._look(execution)
            code = (shown["last_error"] or {}).get("code")
            if code not in NOT_TRIED or (code == "limit_exceeded") != over:
                raise Objection(f"{execution} was not tried: {shown}")
            return
        (record,) = new
        if over or record.amount != execution.amount or mandate.status != "active":
            raise Objection(f"{execution} was sent to the bank: {record}")
        name = f"{execution.name}.{len(execution.payments) + 1}"
        payment = Payment(
            name=name,
            merchant=mandate.merchant,
            amount=execution.amount,
            manual=False,
            created_at=now,
            payer=mandate.payer,
        )
        execution.payments.append(payment)
        self.model.payments[name] = payment
        self.model.spend(payment)
        self.model.sent(record, payment, now)
        self.run.hear()
        shown = await self._look(execution)
        payment.id = shown["payments"][-1]
        self.run.step.touched[name] = payment

    async def _look(self, execution: Execution) -> dict:
        """What the service shows is what its tries came to."""
        path = f"/api/v1/mandates/{execution.mandate.id}/executions/{execution.id}"
        shown = (await self.world.clients[execution.mandate.merchant].get(path)).body
        execution.canceled = shown["status"] == "canceled"
        if shown["status"] not in execution.may_be():
            raise Objection(f"{execution} is shown as {shown}")
        if len(shown["payments"]) != len(execution.payments) + _blocked(shown):
            raise Objection(f"{execution} has other tries: {shown}")
        return shown


def _blocked(shown: dict) -> int:
    """Risk says no, once somebody was part of a fraud: a payment, and no money."""
    return int((shown["last_error"] or {}).get("code") == "fraud_blocked")
