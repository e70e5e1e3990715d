"""Moves on escrows of a merchant's own balance: agreed on, funded, approved, released, taken back,
frozen and decided. No bank has a part in them: each is one call and one answer."""

from datetime import timedelta
from typing import Any

from tests.simulation.auditor import Objection, compare
from tests.simulation.model_escrows import Escrow, split
from tests.simulation.picking import Picking
from tests.simulation.workload import Workload
from tests.simulation.world import Reply

YES = "approve"


class Escrowing(Picking):
    """One method a move; False where there is nothing to do it with."""

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self.escrows = self.model.escrows

    async def _post(self, who: str, escrow: Escrow, what: str, body: dict[str, Any]) -> Reply:
        path = f"/api/v1/escrows/{escrow.id}/{what}"
        key = f"escrow-{self.run.number()}"
        reply = await self.world.clients[who].post(path, body, key)
        self.run.step.say(who, escrow.name, what, body.get("amount", ""), "→", reply.status)
        again = await self.world.clients[who].post(path, body, key)
        if reply.status == 200 and (again.raw != reply.raw or not again.replayed):
            raise Objection(f"{reply} was first, {again} with the same key")
        return reply

    def _judge(self, escrow: Escrow, reply: Reply, refusal: str | None) -> bool:
        """Whether it was done; the model is asked for the escrow only once it has moved on."""
        if refusal is not None:
            if reply.code != refusal:
                raise Objection(f"{refusal} expected of {escrow}: {reply}")
            return False
        if reply.status != 200:
            raise Objection(f"{escrow} was refused: {reply}")
        return True

    def _came(self, who: str, amount: int) -> None:
        """What comes out of an escrow is settled like a reserve that came free."""
        if amount:
            self.model.moved(who, self.world.clock.now(), "reserve_released", amount)

    async def fund(self) -> bool:
        """Agreed on by all its parties, then funded, for as much as there is or a little more."""
        names = list(self.model.merchants)
        owner = self.random.choice(names)
        parties = self.random.sample(names, self.random.randint(1, len(names)))
        book = self.model.merchants[owner]
        amount = self.amount(max(1, book.balance))
        weights = [self.random.randint(1, 9) for _ in parties]
        bps = list(split(10_000, dict(zip(parties, weights, strict=True))).values())
        body = {
            "amount": amount,
            "parties": [
                {"merchant": self.model.merchants[p].id, "role": "seller", "share_bps": b}
                for p, b in zip(parties, bps, strict=True)
            ],
            "conditions": {"all": [{"type": "approval", "by": "buyer"}]},
            "expires_at": (self.world.clock.now() + timedelta(days=300)).isoformat(),
            "on_expiry": "release",
        }
        client = self.world.clients[owner]
        made = (await client.post("/api/v1/escrows", body, f"esc-{self.run.number()}")).body
        due = split(amount, dict(zip(parties, bps, strict=True)))
        escrow = Escrow(f"escrow {self.run.number()}", owner, made["id"], amount, due)
        for who in parties:
            if who != owner:
                await self._post(who, escrow, "accept", {})
        reply = await self._post(owner, escrow, "fund", {})
        short = amount > book.balance  # no exposure limit lends to it
        if self._judge(escrow, reply, "insufficient_funds" if short else None):
            escrow.status = "funded"
            self._came(owner, -amount)
            self.escrows.append(escrow)
            compare(escrow.name, reply.body, escrow.shown())
        return True

    def _refusal(self, escrow: Escrow) -> str | None:
        if escrow.status == "frozen":
            return "escrow_frozen"
        return None if escrow.status == "funded" else "illegal_state"

    async def approve(self) -> bool:
        escrow = self.pick(self.escrows)
        if escrow is None:
            return False
        reply = await self._post(escrow.owner, escrow, YES, {})
        if self._judge(escrow, reply, self._refusal(escrow)):
            escrow.approved = True
            compare(escrow.name, reply.body, escrow.shown())
        return True

    async def release(self) -> bool:
        escrow = self.pick([e for e in self.escrows if e.held] or self.escrows)
        if escrow is None:
            return False
        wanted = self.amount(max(escrow.held, 1))
        refusal = self._refusal(escrow)
        if refusal is None and not escrow.approved:
            refusal = "conditions_not_met"
        elif refusal is None and wanted > escrow.held:
            refusal = "over_release"
        who = self.random.choice(list(escrow.due))
        reply = await self._post(who, escrow, "release", {"amount": wanted})
        if self._judge(escrow, reply, refusal):
            self._let_go(escrow, split(wanted, escrow.due))
            compare(escrow.name, reply.body, escrow.shown())
        return True

    def _let_go(self, escrow: Escrow, parts: dict[str, int]) -> None:
        escrow.released += escrow.take(parts)
        for who, part in parts.items():
            self._came(who, part)

    async def take_back(self) -> bool:
        escrow = self.pick([e for e in self.escrows if e.held] or self.escrows)
        if escrow is None:
            return False
        wanted = self.amount(max(escrow.held, 1))
        refusal = self._refusal(escrow)
        if refusal is None and escrow.approved:
            refusal = "illegal_state"
        elif refusal is None and wanted > escrow.held:
            refusal = "over_release"
        reply = await self._post(escrow.owner, escrow, "return", {"amount": wanted})
        if self._judge(escrow, reply, refusal):
            escrow.returned += escrow.take(split(wanted, escrow.due))
            self._came(escrow.owner, wanted)
            compare(escrow.name, reply.body, escrow.shown())
        return True

    async def freeze(self) -> bool:
        escrow = self.pick([e for e in self.escrows if e.status == "funded"])
        if escrow is None:
            return False
        who = self.random.choice(list(escrow.due))
        reply = await self._post(who, escrow, "freeze", {"reason": "a complaint"})
        self._judge(escrow, reply, None)
        escrow.status = "frozen"
        compare(escrow.name, reply.body, escrow.shown())
        return True

    async def resolve(self) -> bool:
        """All of them say the same: it goes on, or one of them gets all but what the owner does."""
        escrow = self.pick([e for e in self.escrows if e.status == "frozen"])
        if escrow is None:
            return False
        who = self.random.choice(list(escrow.due))
        back = self.random.randint(0, escrow.held)
        shares = [{"merchant": self.model.merchants[who].id, "amount": escrow.held - back}]
        goes = {"outcome": "split", "refund": back, "shares": shares}
        body = self.random.choice([{"outcome": "resume"}, goes])
        reply = None
        for voice in sorted({escrow.owner, *escrow.due}):
            reply = await self._post(voice, escrow, "resolve", body)
            self._judge(escrow, reply, None)
        escrow.status = "funded"
        if body is goes:
            held = escrow.held
            escrow.due = dict.fromkeys(escrow.due, 0)
            escrow.status = "closed"
            escrow.released += held - back
            escrow.returned += back
            self._came(who, held - back)
            self._came(escrow.owner, back)
        assert reply is not None
        compare(escrow.name, reply.body, escrow.shown())
        return True
