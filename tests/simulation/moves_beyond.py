"""Moves of everybody but the merchant: the bank, the worker, the clock, the settling of days."""

from dataclasses import replace
from datetime import date, timedelta

import yaml

from online.kernel import ids
from online.platform.settings import ROOT
from tests.callbacks import body_of, tell
from tests.simulation.auditor import Objection
from tests.simulation.model import INDIA, day_of
from tests.simulation.picking import Picking

HOLIDAYS = {
    row["day"] for row in yaml.safe_load((ROOT / "config/holidays.yaml").read_text())["holidays"]
}


class Beyond(Picking):
    """One method a move; False where there is nothing to do it with."""

    # ── the bank's side ──────────────────────────────────────────────────────────────────

    async def let_go(self) -> bool:
        line = self.pick(self.run.lines)
        if line is not None:
            await self.run.let_go(line)
        return line is not None

    async def die(self) -> bool:
        line = self.pick(self.run.lines)
        if line is not None:
            await self.run.die(line)
        return line is not None

    async def act(self) -> bool:
        """A payer approves or declines; perhaps the bank says so, perhaps twice."""
        reference = self.pick(self.run.bank.waiting())
        if reference is None:
            return False
        self.run.bank.act(reference)
        for _ in range(self.random.randint(0, 2)):
            await self._hint(reference)
        self.run.hear()
        return True

    async def call_back(self) -> bool:
        """A rail's callback about anything, at any time, its own or another's."""
        attempt = self.pick(list(self.model.attempts.values()))
        forged = attempt is None or self.random.random() < 0.1
        await self._hint(
            ids.encode("att", ids.derived("forged", str(self.run.number())))
            if forged
            else attempt.reference
        )
        self.run.hear()
        return True

    async def _hint(self, reference: str, *, forged: bool = True) -> None:
        """The rail says how it stands; or another one, whose it is not, says that all went well."""
        record = self.run.bank.records.get(reference)
        if record is not None and (not forged or self.random.random() < 0.95):
            rail, (status, code) = record.rail, self.run.bank.calls_back(reference)
        else:
            others = {"card_a", "card_b"} - {record.rail if record is not None else "card_a"}
            rail, status, code = min(others), "approved", "00"
        body = body_of(reference, status, code=code)
        answer = await tell(self.world.services, self.world.http, rail, body)
        if answer.status_code != 202:
            raise Objection(f"a callback was answered by {answer.status_code}: {answer.text}")

    # ── time ─────────────────────────────────────────────────────────────────────────────

    async def recover(self) -> bool:
        self.world.clock.advance(timedelta(seconds=self.random.choice([0, 100, 130, 310])))
        await self.run.recover()
        return True

    async def expire(self) -> bool:
        now = self.world.clock.now()
        intents = self.model.expire_intents(now)
        overdue = self.model.overdue(now)
        self.run.bank.plans = [replace(self.run.plan(), hold="") for _ in overdue]
        asked = len(self.run.bank.asked)
        await self.world.expire()
        self.run.bank.plans.clear()
        self.model.pass_deadlines(now)
        self.model.release_reserves(now)
        voids = {each.original: each for each in self.run.bank.asked[asked:]}
        if list(voids) != [each.authorization for each in overdue]:
            raise Objection(f"{overdue} were to be voided: {voids}")
        for payment in overdue:
            self.model.sent(voids[payment.authorization], payment, now)
        self.run.hear()
        payments = self.model.expire_authorizations(now)
        self.run.step.say(*(each.name for each in (*intents, *overdue, *payments)))
        for payment in (*overdue, *payments):
            self.run.step.touched[payment.name] = payment
        return True

    async def minutes_pass(self) -> bool:
        self.world.clock.advance(timedelta(minutes=self.random.randint(1, 90)))
        return True

    async def a_day_passes(self) -> bool:
        """To some moment of the next business day."""
        now = self.world.clock.now().astimezone(INDIA)
        midnight = now.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        later = midnight - now + timedelta(minutes=self.random.randint(0, 20 * 60))
        self.world.clock.advance(later)
        return True

    # ── settlement ───────────────────────────────────────────────────────────────────────

    def _batch(self, merchant: str) -> dict[str, object] | None:
        """All up to a closed day that is not settled yet, as offline would hand it in."""
        book, today = self.model.merchants[merchant], day_of(self.world.clock.now())
        # What is not to be paid yet would wait for the worker.
        days = [day for day in book.days if book.settled_until < day and self._pay_on(day) <= today]
        if not days:
            return None
        day = self.random.choice(sorted(days))
        sums, owed = self.model.period(merchant, day), self.model.owed(merchant, day)
        moved = ("gross", "refunds", "disputes", "fees", "tax", "reserve_released", "net")
        return {
            "merchant_id": book.id,
            "business_date": day.isoformat(),
            "currency": "INR",
            **{what: sums[what] for what in moved},
            **{what: owed[what] for what in ("reserve", "tds", "payout")},
            "carried": book.carried,
            "count": 1,
        }

    def _pay_on(self, day: date) -> date:
        """The next day on which banks work."""
        while True:
            day += timedelta(days=1)
            second_or_fourth = day.weekday() == 5 and (day.day - 1) // 7 in {1, 3}
            if day.weekday() != 6 and not second_or_fourth and day not in HOLIDAYS:
                return day

    async def _hand_in(self, batch: dict[str, object]) -> dict[str, object]:
        path = "/internal/v1/settlement-batches"
        (receipt,) = await self.world.clients["service"].lines(path, batch)
        self.run.step.say(batch["business_date"], batch["net"], "→", receipt["status"])
        return receipt

    async def settle(self) -> bool:
        merchant = self.random.choice(list(self.model.merchants))
        batch = self._batch(merchant)
        if batch is None:
            return False
        day = date.fromisoformat(str(batch["business_date"]))
        self.run.bank.plans = [replace(self.run.plan(), hold="")]
        asked = len(self.run.bank.asked)
        receipt = await self._hand_in(batch)
        self.run.bank.plans.clear()
        if receipt["status"] != "accepted":
            raise Objection(f"{batch} was not accepted: {receipt}")
        settlement = self.model.settle(merchant, day)
        if receipt["payout"] != settlement.payout:
            raise Objection(f"{receipt} is not {settlement}")
        for record in self.run.bank.asked[asked:]:
            self.model.sent(record, settlement, self.world.clock.now())
        self.run.hear()
        again = await self._hand_in(batch)
        if again["status"] != "exists" or len(self.run.bank.asked) > asked + 1:
            raise Objection(f"{batch} was taken in twice: {again}")
        return True

    async def settle_wrongly(self) -> bool:
        merchant = self.random.choice(list(self.model.merchants))
        batch = self._batch(merchant)
        if batch is None:
            return False
        what = self.random.choice(
            ["gross", "refunds", "fees", "tax", "net", "carried", "reserve", "tds", "payout"]
        )
        batch[what] = int(str(batch[what])) + 1
        receipt = await self._hand_in(batch)
        if receipt["status"] != "refused":
            raise Objection(f"{batch} is wrong in {what}: {receipt}")
        return True
