"""Moves of a bank that contradicts itself, and of the worker that gives late money back."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from tests.simulation.auditor import Objection
from tests.simulation.bank import Record
from tests.simulation.moves_beyond import Beyond

SOON: Final = timedelta(minutes=10)


class Contradicting(Beyond):
    """One method a move; False where there is nothing to do it with."""

    async def turn(self) -> bool:
        """What the bank had refused, or had never heard of, it has done after all; it says so
        once or several times, and old news again in between."""
        refused = [
            each
            for attempt in self.model.attempts.values()
            if attempt.verdict in {"declined", "failed"}
            if (each := self.run.bank.records.get(attempt.reference)) and self._may_turn(each)
        ]
        record = self.pick(refused)
        if record is None:
            return False
        attempt = self.model.attempts[record.reference]
        self.run.step.say(record.operation, "of", attempt.of.name, "is done after all")
        before = record.state
        for said in self.random.choice([("done",), (before, "done"), ("done", before, "done")]):
            self.run.bank.plans = [replace(self.run.plan(), hold="")]
            if said == "done":
                self.run.bank.turn(record)
            await self._tell(record, said)
            self.run.bank.plans.clear()
            self.run.hear()
        return True

    def _may_turn(self, record: Record) -> bool:
        return self.run.bank.may_turn(record)

    async def _tell(self, record: Record, said: str) -> None:
        """By a callback, which may be older than what is so by now."""
        now = record.state
        record.state = said
        try:
            await self._hint(record.reference, forged=False)
        finally:
            record.state = now

    async def give_back(self) -> bool:
        """The worker's turn with what was refused: what is due begins, and nothing else."""
        waiting = [each.due_at for each in self.model.late.values() if each.due_at]
        now = self.world.clock.now()
        wait = min(waiting, default=now) - now
        if timedelta() < wait < SOON:
            self.world.clock.advance(wait)
        due = self.model.due_back(self.world.clock.now())
        self.run.bank.plans = [replace(self.run.plan(), hold="") for _ in due]
        asked = len(self.run.bank.asked)
        begun = await self.world.services.payments.return_late_due()
        self.run.bank.plans.clear()
        new = self.run.bank.asked[asked:]
        wanted = sorted((each.reference, each.operation) for each in due)
        if begun != len(due) or sorted((r.original, str(r.operation)) for r in new) != wanted:
            raise Objection(f"{wanted} were to be given back: {new}")
        self.run.hear()
        return bool(due)
