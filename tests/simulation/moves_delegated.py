"""Moves of payers who let others pay: handles with bounds, and circles of one primary.

What a payment takes of a handle or a delegation is in the model before the call is made; it comes
back by the same rules as the payer's own limits (`Payment.takes`).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.circle import Person
from tests.simulation.auditor import Objection, compare
from tests.simulation.model import day_of
from tests.simulation.moves_selling import Selling
from tests.simulation.things import Payment

PER_PAYMENT, PER_MONTH, FIRST_DAY, A_DAY = 5_000_00, 15_000_00, 5_000_00, timedelta(hours=24)


@dataclass
class Handle:
    name: str
    merchant: str
    customer: str
    id: str
    alias: str
    most: int
    total: int | None
    uses: int
    expires_at: datetime
    revoked: bool = False


@dataclass
class Delegation:
    name: str
    merchant: str
    primary: str
    secondary: str
    device: str
    id: str
    month: int
    cooling_until: datetime
    status: str = "active"


class Lending(Selling):
    """One method a move; False where there is nothing to do it with."""

    def __init__(self, workload: Any) -> None:
        super().__init__(workload)
        self.handles: list[Handle] = []
        self.delegations: list[Delegation] = []
        self.people: dict[str, list[Person]] = {}

    async def _made(self, merchant: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = await self.world.clients[merchant].post(f"/api/v1{path}", body)
        if reply.status not in {200, 201}:
            raise Objection(f"{path} {body}: {reply}")
        return reply.body

    # ── handles ──────────────────────────────────────────────────────────────────────────

    async def make_handle(self) -> bool:
        merchant = self.random.choice(list(self.model.merchants))
        customer = self.random.choice(self.world.customers[merchant])
        most, uses = self.random.randint(100, 900_00), self.random.randint(1, 4)
        total = self.random.choice([None, most, most * 2])
        lasts = self.random.choice([timedelta(minutes=30), timedelta(days=1), timedelta(days=9)])
        expires_at = self.world.clock.now() + lasts
        name = f"handle-{self.run.number()}"
        body = {
            "customer_id": customer,
            "vpa": "payer@okbank",
            "max_amount": most,
            "max_uses": uses,
            "max_total": total,
            "expires_at": expires_at.isoformat(),
        }
        shown = await self._made(merchant, "/handles", body)
        made = (shown["id"], shown["alias"], most, total, uses, expires_at)
        self.handles.append(Handle(name, merchant, customer, *made))
        self.run.step.say(merchant, name, most, total, uses)
        return True

    async def pay_by_handle(self) -> bool:
        handle = self.pick(self.handles)
        if handle is None:
            return False
        spent = self.model.counted
        payment = self._lent(handle.merchant, self.amount(handle.most), handle.customer)
        payment.takes = {f"handle_uses {handle.name}": 1}
        if handle.total is not None:
            payment.takes[f"handle_total {handle.name}"] = payment.amount
        refusal = None
        if handle.revoked:
            refusal = "handle_revoked"
        elif self.world.clock.now() >= handle.expires_at:
            refusal = "handle_expired"
        elif (
            payment.amount > handle.most
            or spent[f"handle_uses {handle.name}"] + 1 > handle.uses
            or (
                handle.total is not None
                and spent[f"handle_total {handle.name}"] + payment.amount > handle.total
            )
        ):
            refusal = "limit_exceeded"
        wire = {"type": "upi", "upi": {"handle": handle.alias}}
        self.run.step.say(handle.name)
        return await self._lend(payment, wire, refusal)

    async def revoke_handle(self) -> bool:
        handle = self.pick(self.handles)
        if handle is None:
            return False
        shown = await self._made(handle.merchant, f"/handles/{handle.id}/revoke", {})
        expired = shown["status"] == "expired"
        if expired and self.world.clock.now() < handle.expires_at:
            raise Objection(f"{handle} expired before its time: {shown}")
        handle.revoked = handle.revoked or not expired
        uses = handle.uses - self.model.counted[f"handle_uses {handle.name}"]
        compare(handle.name, shown, {"uses_left": uses})
        self.run.step.say(handle.name)
        return True

    # ── delegations ──────────────────────────────────────────────────────────────────────

    async def _people_of(self, merchant: str) -> list[Person]:
        """A primary and seven who would pay for them, with a phone each."""
        if merchant not in self.people:
            people = []
            for n in range(8):
                made = await self._made(merchant, "/customers", {"name": f"circle {n}"})
                people.append(Person(None, made["id"]))  # type: ignore[arg-type]
                await self._link(merchant, people[-1], f"{merchant}-circle-{n}")
            self.people[merchant] = people
        return self.people[merchant]

    async def _link(self, merchant: str, who: Person, installation: str) -> None:
        body = {
            "customer_id": who.id,
            "device_id": installation,
            "platform": "android",
            "public_key": who.public_key,
        }
        linked = await self._made(merchant, "/devices/link", body)
        who.device = linked["id"]
        proof = {"signature": who.sign(linked["challenge"])}
        await self._made(merchant, f"/devices/{who.device}/verify", proof)

    async def delegate(self) -> bool:
        merchant = self.random.choice(list(self.model.merchants))
        people = await self._people_of(merchant)
        primary, secondary = people[self.random.choice([0, 0, 1])], self.random.choice(people[2:])
        month = self.random.choice([500_00, 1_500_00, PER_MONTH])
        live = [
            each
            for each in self.delegations
            if each.merchant == merchant and each.status != "revoked"
        ]
        wanted = "none"
        if sum(each.primary == primary.id for each in live) == 5:
            wanted = "too_many_secondaries"
        elif any(each.secondary == secondary.id for each in live):
            wanted = "has_primary"
        body = {
            "primary_id": primary.id,
            "secondary_id": secondary.id,
            "vpa": "payer@okbank",
            "kind": "full",
            "max_per_month": month,
        }
        reply = await self.world.clients[merchant].post("/api/v1/delegations", body)
        name = f"delegation-{self.run.number()}"
        self.run.step.say(merchant, name, month, "→", reply.status, wanted)
        if (reply.code or "none") != wanted:
            raise Objection(f"{wanted} expected for {body}: {reply}")
        if wanted == "none":
            until = self.world.clock.now() + A_DAY
            made = (secondary.device, reply.body["id"], month, until)
            self.delegations.append(Delegation(name, merchant, primary.id, secondary.id, *made))
        return True

    async def pay_delegated(self) -> bool:
        under = self.pick(self.delegations)
        if under is None:
            return False
        now = self.world.clock.now()
        payment = self._lent(under.merchant, self.amount(under.month // 3), under.primary)
        pair = f"{under.primary} {under.secondary} {day_of(now):%Y-%m}"
        caps = {f"delegation_month {pair}": under.month}
        if now < under.cooling_until:
            caps[f"delegation_cooling {under.name}"] = FIRST_DAY
        payment.takes = dict.fromkeys(caps, payment.amount)
        refusal = None
        if under.status != "active":
            refusal = "delegation_closed"
        elif payment.amount > PER_PAYMENT or any(
            self.model.counted[name] + payment.amount > cap for name, cap in caps.items()
        ):
            refusal = "limit_exceeded"
        wire = {"type": "upi", "upi": {"delegation": under.id}}
        self.run.step.say(under.name)
        return await self._lend(payment, wire, refusal, device_id=under.device)

    async def stop_delegation(self) -> bool:
        """Paused, resumed, revoked: whatever its state says."""
        under = self.pick(self.delegations)
        if under is None:
            return False
        move, after = self.random.choice(
            [("pause", "paused"), ("resume", "active"), ("revoke", "revoked")]
        )
        path = f"/api/v1/delegations/{under.id}/{move}"
        reply = await self.world.clients[under.merchant].post(path, {})
        self.run.step.say(under.name, under.status, move, "→", reply.status)
        if under.status == "revoked" and after != "revoked":
            if reply.code != "illegal_state":
                raise Objection(f"{under} was moved: {reply}")
            return True
        under.status = after
        compare(under.name, reply.body, {"status": after})
        return True

    # ── paying under either ──────────────────────────────────────────────────────────────

    def _lent(self, merchant: str, amount: int, payer: str) -> Payment:
        payment = self._new_payment(merchant, amount, "upi", manual=self.random.random() < 0.3)
        payment.payer = payer
        return payment

    async def _lend(
        self, payment: Payment, wire: dict[str, Any], refusal: str | None, **more: str
    ) -> bool:
        body: dict[str, object] = {
            "amount": payment.amount,
            "payment_method": wire,
            "capture_method": "manual" if payment.manual else "automatic",
            **more,
        }
        ask = self.ask("pay", "/payments", body, payment)
        ask.done = 201
        return await self._pay(ask, refusal)
