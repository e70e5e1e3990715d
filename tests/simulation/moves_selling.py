"""Moves of a merchant: each picks something from the model, says beforehand what must come of it,
and makes the call.
"""

from datetime import timedelta
from typing import TypeVar

from tests.simulation.auditor import Objection, compare
from tests.simulation.bank import Plan
from tests.simulation.model import HAS_MONEY
from tests.simulation.picking import Picking
from tests.simulation.things import Intent, Payment, Refund
from tests.simulation.workload import Ask

T = TypeVar("T")
UPI = {"type": "upi", "upi": {"flow": "intent"}}


class Selling(Picking):
    """One method a move; False where there is nothing to do it with."""

    def ask(self, operation: str, path: str, body: dict[str, object], of: Payment | Refund) -> Ask:
        merchant = of.merchant if isinstance(of, Payment) else of.payment.merchant
        key = f"{operation}-{self.run.number()}"
        return Ask(operation, merchant, f"/api/v1{path}", body, key, of)

    # ── payments ─────────────────────────────────────────────────────────────────────────

    def _new_payment(self, merchant: str, amount: int, method: str, *, manual: bool) -> Payment:
        name = f"payment-{self.run.number()}"
        return Payment(
            name=name,
            merchant=merchant,
            amount=amount,
            manual=manual,
            created_at=self.world.clock.now(),
            payer=f"card:{merchant}" if method == "card" else name,
        )

    def _method(self, merchant: str) -> tuple[str, dict[str, object]]:
        if self.random.random() < 0.5:
            return "upi", UPI
        return "card", {"type": "card", "card": {"token": self.world.cards[merchant]}}

    async def _pay(self, ask: Ask, refusal: str | None, plan: Plan | None = None) -> bool:
        payment = ask.payment
        if refusal is None and self.model.would_pass_limit(
            payment.payer, payment.amount, payment.created_at
        ):
            refusal = "limit_exceeded"
        if refusal is None:
            self.run.begin(ask)
        await self.run.perform(ask, refusal, plan)
        return True

    async def pay(self) -> bool:
        merchant = self.random.choice(list(self.model.merchants))
        method, wire = self._method(merchant)
        manual = self.random.random() < 0.55
        payment = self._new_payment(merchant, self.random.randint(1, 900_00), method, manual=manual)
        body: dict[str, object] = {
            "amount": payment.amount,
            "payment_method": wire,
            "capture_method": "manual" if manual else "automatic",
        }
        if self.random.random() < 0.4:
            payment.payer = body["customer_id"] = self.random.choice(self.world.customers[merchant])
        ask = self.ask("pay", "/payments", body, payment)
        ask.done = 201
        return await self._pay(ask, None)

    async def capture(self) -> bool:
        payment = self.pick(self.likely([each for each in self.known() if each.capturable > 0]))
        if payment is None:
            return False
        whole = self.random.random() < 0.3
        wanted = payment.capturable if whole else self.amount(payment.capturable)
        body: dict[str, object] = {} if whole else {"amount": wanted}
        refusal = None
        if payment.status not in {"authorized", *HAS_MONEY}:
            refusal = "illegal_state"
        elif not 0 < wanted <= payment.capturable:
            refusal = "over_capture"
        ask = self.ask("capture", f"/payments/{payment.id}/capture", body, payment)
        await self.run.perform(ask, refusal)
        return True

    def _no_void(self, payment: Payment) -> str | None:
        voidable = self.model.voidable(payment, self.world.clock.now())
        return None if voidable else "illegal_state"

    async def cancel(self) -> bool:
        payment = self.pick(self.likely(self.known("authorized", "requires_action")))
        if payment is None:
            return False
        ask = self.ask("cancel", f"/payments/{payment.id}/cancel", {}, payment)
        await self.run.perform(ask, self._no_void(payment))
        return True

    async def reverse(self) -> bool:
        whole = [each for each in self.known("captured") if not each.refunded]
        payment = self.pick(self.likely(whole))
        if payment is None:
            return False
        refusal = None
        if payment.status != "captured":
            refusal = "illegal_state"
        elif min(payment.capture_days) <= self.model.merchants[payment.merchant].settled_until:
            refusal = "already_settled"
        elif payment.refund_open or payment.refunded or payment.capture_open:
            refusal = "illegal_state"
        ask = self.ask("reverse", f"/payments/{payment.id}/reverse", {}, payment)
        await self.run.perform(ask, refusal)
        return True

    async def refund(self) -> bool:
        payment = self.pick(self.likely([each for each in self.known() if each.refundable > 0]))
        if payment is None:
            return False
        whole = self.random.random() < 0.25
        wanted = payment.refundable if whole else self.amount(payment.refundable)
        body: dict[str, object] = {"payment": payment.id}
        if not whole:
            body["amount"] = wanted
        merchant = self.model.merchants[payment.merchant]
        refusal = None
        if payment.status not in HAS_MONEY:
            refusal = "over_refund" if payment.status == "refunded" else "illegal_state"
        elif not 0 < wanted <= payment.refundable:
            refusal = "over_refund"
        elif merchant.balance - wanted < -merchant.exposure:
            refusal = "insufficient_funds"
        refund = Refund(f"refund-{self.run.number()}", payment, wanted)
        ask = self.ask("refund", "/refunds", body, refund)
        ask.done = 201
        if await self.run.perform(ask, refusal):
            self.model.refunds[refund.name] = refund
        return True

    # ── intents ──────────────────────────────────────────────────────────────────────────

    async def create_intent(self) -> bool:
        merchant = self.random.choice(list(self.model.merchants))
        manual = self.random.random() < 0.5
        methods = self.random.choice([("upi", "card"), ("upi",), ("card",)])
        lasts = self.random.choice([60, 600, 86_400])
        body = {
            "amount": self.random.randint(1, 900_00),
            "payment_methods": methods,
            "capture_method": "manual" if manual else "automatic",
            "expires_in_s": lasts,
        }
        shown = (await self.world.clients[merchant].post("/api/v1/intents", body)).body
        expires_at = self.world.clock.now() + timedelta(seconds=lasts)
        name = f"intent-{self.run.number()}"
        intent = Intent(name, merchant, shown["id"], body["amount"], manual, methods, expires_at)
        compare(name, shown, {"status": intent.status, "amount": intent.amount})
        self.model.intents[name] = intent
        self.run.step.say(merchant, name, body["amount"])
        return True

    async def update_intent(self) -> bool:
        intents = list(self.model.intents.values())
        intent = self.pick([each for each in intents if each.waiting] or intents)
        if intent is None:
            return False
        amount, manual = self.random.randint(1, 900_00), self.random.random() < 0.5
        body = {"amount": amount, "capture_method": "manual" if manual else "automatic"}
        client = self.world.clients[intent.merchant]
        reply = await client.post(f"/api/v1/intents/{intent.id}", body)
        self.run.step.say(intent.name, intent.status, amount, "→", reply.status)
        if not intent.waiting:
            if reply.code != "illegal_state":
                raise Objection(f"{intent} was updated: {reply}")
            return True
        intent.amount, intent.manual = amount, manual
        compare(intent.name, reply.body, {"amount": amount, "status": intent.status})
        return True

    async def confirm_intent(self) -> bool:
        intents = list(self.model.intents.values())
        likely = [each for each in intents if each.waiting]
        intent = self.pick(likely if self.random.random() < 0.9 else intents)
        if intent is None:
            return False
        method, wire = self._method(intent.merchant)
        refusal = None
        if not intent.waiting:
            refusal = "illegal_state"
        elif self.world.clock.now() >= intent.expires_at:
            refusal = "conflict"
        elif method not in intent.methods:
            refusal = "invalid_request"
        payment = self._new_payment(intent.merchant, intent.amount, method, manual=intent.manual)
        ask = self.ask("pay", f"/intents/{intent.id}/confirm", {"payment_method": wire}, payment)
        ask.intent = intent
        if method == "upi":
            payment.payer = intent.name  # nobody else is known
        self.run.step.say(intent.name)
        return await self._pay(ask, refusal)

    async def cancel_intent(self) -> bool:
        intent = self.pick(list(self.model.intents.values()))
        if intent is None:
            return False
        if intent.status in {"requires_action", "requires_capture"} and intent.payment:
            path = f"/intents/{intent.id}/cancel"
            ask = self.ask("cancel", path, {}, intent.payment)
            ask.intent = intent
            await self.run.perform(ask, self._no_void(intent.payment))
            return True
        client = self.world.clients[intent.merchant]
        reply = await client.post(
            f"/api/v1/intents/{intent.id}/cancel", {}, f"cancel-{self.run.number()}"
        )
        self.run.step.say(intent.name, intent.status, "→", reply.status)
        if not intent.waiting:
            if reply.code != "illegal_state":
                raise Objection(f"{intent} was canceled: {reply}")
            return True
        intent.status = "canceled"
        compare(intent.name, reply.body, {"status": "canceled"})
        return True

    # ── keys ─────────────────────────────────────────────────────────────────────────────

    async def again(self) -> bool:
        nameless = [ask for ask in self.run.asks if ask.of.id is None]
        ask = self.pick(nameless) or self.pick(self.run.asks)
        if ask is None:
            return False
        await self.run.again(ask)
        return True

    async def reuse_key(self) -> bool:
        ask = self.pick(self.run.asks)
        if ask is None:
            return False
        body = {"amount": 1, "payment_method": UPI}
        reply = await self.world.clients[ask.merchant].post("/api/v1/payments", body, ask.key)
        self.run.step.say(ask.key, "→", reply.status)
        if reply.code != "idempotency_key_reused":
            raise Objection(f"the key of {ask} was good for something else: {reply}")
        return True
