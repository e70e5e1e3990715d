"""Moves around disputes: a payer asks their bank for the money back, and the bank decides.

What a rail says is told by a callback (which makes the service ask the rail) or by a line of its
file.
"""

from datetime import timedelta

from msgspec.structs import replace

from online.rails.domain import RailDispute
from tests.callbacks import body_of, tell
from tests.simulation.auditor import Objection, compare
from tests.simulation.picking import Picking
from tests.simulation.things import Dispute

REASONS = ("10.4", "13.1", "4837", "U010")


class Disputing(Picking):
    """One method a move; False where there is nothing to do it with."""

    def _news(self, dispute: Dispute) -> RailDispute:
        return self.run.bank.disputes[dispute.reference]

    async def _tell(self, dispute: Dispute) -> None:
        """By a hint or by a file, once or twice; whatever comes second is old news."""
        for _ in range(self.random.choice([1, 1, 2])):
            if self.random.random() < 0.5:
                await self._hint(dispute)
            else:
                await self._file(dispute)

    async def _hint(self, dispute: Dispute) -> None:
        body = body_of(dispute.reference, type="dispute")
        answer = await tell(self.world.services, self.world.http, dispute.payment.rail, body)
        if answer.status_code != 202:
            raise Objection(f"a hint about {dispute} was answered by {answer.text}")

    async def _file(self, dispute: Dispute, wanted: tuple[str, ...] = ("posted", "exists")) -> None:
        news = self._news(dispute)
        line = {
            "rail": dispute.payment.rail,
            "reference": news.reference,
            "original_reference": news.original_reference,
            "amount": news.amount_minor,
            "currency": news.currency,
            "reason_code": news.reason_code,
            "status": news.status,
            "respond_by": news.respond_by.isoformat(),
        }
        (receipt,) = await self.world.clients["service"].lines("/internal/v1/disputes", line)
        if receipt["status"] not in wanted:
            raise Objection(f"{line} was answered by {receipt}")

    async def _look_at(self, dispute: Dispute) -> None:
        client = self.world.clients[dispute.payment.merchant]
        if dispute.id is None:
            newest = (await client.get("/api/v1/disputes?limit=1")).body["data"]
            dispute.id = newest[0]["id"]
        shown = (await client.get(f"/api/v1/disputes/{dispute.id}")).body
        wanted = {"amount": dispute.amount, "rail_reference": dispute.reference}
        compare(dispute.name, shown, {**wanted, "status": dispute.status})
        if dispute.status == "lost" and not dispute.fee:
            if not shown["fee"]:
                raise Objection(f"{dispute} was lost for nothing: {shown}")
            now = self.world.clock.now()
            self.model.dispute_charged(dispute, shown["fee"], shown["tax"], now)
        self.run.step.say("→", dispute.status)

    # ── moves ────────────────────────────────────────────────────────────────────────────

    async def open(self) -> bool:
        """Of anything that took money, refunded since or not."""
        payment = self.pick([each for each in self.known() if each.captured])
        if payment is None:
            return False
        now = self.world.clock.now()
        name = f"dispute-{self.run.number()}"
        amount = self.random.choice([payment.captured, self.random.randint(1, payment.captured)])
        respond_by = now + timedelta(days=self.random.randint(1, 20))
        dispute = Dispute(name, payment, amount, f"dsp_bank_{name}", respond_by)
        status = self.random.choices(["open", "won", "lost"], [8, 1, 1])[0]
        self.run.bank.disputes[dispute.reference] = RailDispute(
            reference=dispute.reference,
            original_reference=payment.authorization,
            amount_minor=amount,
            currency="INR",
            reason_code=self.random.choice(REASONS),
            status=status,
            respond_by=respond_by,
        )
        self.run.step.say(payment.name, name, amount, status)
        await self._tell(dispute)
        self.model.dispute_opened(dispute, now)
        if status != "open":
            self.model.dispute_closed(dispute, status, now)
        await self._look_at(dispute)
        return True

    async def decide(self) -> bool:
        dispute = self.pick([each for each in self.model.disputes.values() if each.open])
        if dispute is None:
            return False
        status = self.random.choice(["won", "lost"])
        self.run.bank.disputes[dispute.reference] = replace(self._news(dispute), status=status)
        self.run.step.say(dispute.name, status)
        await self._tell(dispute)
        self.model.dispute_closed(dispute, status, self.world.clock.now())
        await self._look_at(dispute)
        return True

    async def answer(self) -> bool:
        """The merchant hands evidence in, in time or not, once or again."""
        dispute = self.pick(list(self.model.disputes.values()))
        if dispute is None:
            return False
        late = self.world.clock.now() >= dispute.respond_by
        refusal = "illegal_state" if dispute.status != "needs_response" else None
        if dispute.open and late:
            refusal = "evidence_late"
        reply = await self.world.clients[dispute.payment.merchant].post(
            f"/api/v1/disputes/{dispute.id}/evidence",
            {"explanation": "It was handed over at the door."},
            f"evidence-{self.run.number()}",
        )
        self.run.step.say(dispute.name, "→", reply.status)
        if reply.code != refusal:
            raise Objection(f"{refusal} expected for evidence of {dispute}: {reply}")
        if refusal is None:
            dispute.status = "under_review"
        await self._look_at(dispute)
        return True

    async def tell_old_news(self) -> bool:
        """A file that was sent before, or that says the opposite now: nothing moves."""
        dispute = self.pick([each for each in self.model.disputes.values() if not each.open])
        if dispute is None:
            return False
        truth = self._news(dispute)
        said = self.random.choice(["open", "won", "lost"])
        bank = self.run.bank.disputes
        bank[dispute.reference] = replace(truth, status=said)
        self.run.step.say(dispute.name, "is", truth.status, "said to be", said)
        await self._file(dispute, ("exists",) if said in {"open", truth.status} else ("conflict",))
        await self._hint(dispute)
        bank[dispute.reference] = truth
        await self._look_at(dispute)
        return True
