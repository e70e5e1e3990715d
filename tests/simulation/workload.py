"""Random operations from one seed: what a merchant, a payer, a bank and a bad day may do.

Every choice is drawn from one `random.Random`, in an order that depends on nothing else, so that a
seed is a run. Two calls never run side by side by chance: where calls are to overlap, the bank
holds the line of the first until a later step lets it go or kills it. Races of threads are the
business of `tests/integration/test_races.py`.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.simulation.auditor import Auditor, Objection, compare
from tests.simulation.bank import Fate, Plan, Record
from tests.simulation.model_holds import Hold
from tests.simulation.things import Intent, Payment, Refund
from tests.simulation.world import Reply, World

FATES = {
    Fate.DONE: 66,
    Fate.DECLINED: 7,
    Fate.FAILED: 5,
    Fate.LOST: 5,
    Fate.LATE: 5,
    Fate.WAITS: 8,
    Fate.WAITS_IN_VAIN: 4,
}
SILENT, HOLDS, DEAF = 0.10, 0.07, 0.15


@dataclass
class Ask:
    """A call that moves money, so that it can be judged, and made again."""

    operation: str
    merchant: str
    path: str
    body: Mapping[str, Any]
    key: str
    of: Payment | Refund
    intent: Intent | None = None
    done: int = 200
    sent: bool = False  # it reached the bank
    reference: str = ""
    heard: str = ""  # what the bank answered this very call
    first: Reply | None = None
    final: bool = False  # its answer is stored for good

    @property
    def payment(self) -> Payment:
        return self.of if isinstance(self.of, Payment) else self.of.payment

    @property
    def hold(self) -> Hold | None:
        """That it is about, where it was asked by its own path."""
        return self.payment.hold if self.path.startswith("/api/v1/holds") else None

    def wanted(self) -> tuple[int, str, dict[str, object]]:
        """Status, name and fields of the answer, by the model as it is now."""
        if self.intent is not None:
            return 200, self.intent.name, {"id": self.intent.id, "status": self.intent.status}
        if isinstance(self.of, Refund):
            open_ = self.of.status not in {"succeeded", "failed"}
            fields = {"status": self.of.status, "amount": self.of.amount}
            return (202 if open_ else self.done), self.of.name, fields
        open_ = self.of.status in {"processing", "unknown"}
        if self.operation != "pay":
            open_ = self.heard != "approved"
        if self.hold is not None:
            return (202 if open_ else self.done), self.hold.name, self.hold.shown(self.of)
        return (202 if open_ else self.done), self.of.name, self.of.shown()

    @property
    def refused_by_rail(self) -> bool:
        """A payment that was declined is a payment, a refused operation on one is no success."""
        is_operation = self.operation in {"capture", "cancel", "release", "extend", "reverse"}
        return is_operation and self.heard in {"declined", "failed"}


@dataclass
class Line:
    """A call that hangs at the bank."""

    ask: Ask
    call: "asyncio.Task[Reply]"


@dataclass
class Step:
    """What a step did, in words, and what it touched."""

    words: list[str] = field(default_factory=list)
    touched: dict[str, Payment] = field(default_factory=dict)
    refunds: list[Refund] = field(default_factory=list)

    def say(self, *words: object) -> None:
        self.words += map(str, words)


Move = Callable[[], Awaitable[bool]]  # False: there was nothing to do it with


class Workload:
    """Carries out moves; which ones there are, `moves.py` says."""

    def __init__(self, world: World, auditor: Auditor, seed: int) -> None:
        self.world = world
        self.model = world.model
        self.bank = world.bank
        self.auditor = auditor
        self.random = random.Random(seed)
        self.asks: list[Ask] = []
        self.lines: list[Line] = []
        self.log: list[str] = []
        self.step = Step()
        self.counts: dict[str, int] = {}
        self.refusals: dict[str, int] = {}
        self._heard = 0
        self._numbers = 0

    def number(self) -> int:
        self._numbers += 1
        return self._numbers

    # ── a run ────────────────────────────────────────────────────────────────────────────

    async def to_the_end(self, steps: int, moves: Mapping[str, tuple[int, Move]]) -> None:
        await self.auditor.open()
        try:
            await self.run(steps, moves)
            await self.finish(moves)
        finally:
            for line in self.lines:
                line.call.cancel()
            await self.auditor.close()

    async def run(self, steps: int, moves: Mapping[str, tuple[int, Move]]) -> None:
        """`moves`: name → (weight, move). Audited after each."""
        names, weights = list(moves), [weight for weight, _ in moves.values()]
        done = 0
        while done < steps:
            (name,) = self.random.choices(names, weights)
            self.world.clock.advance(timedelta(seconds=self.random.randint(1, 20)))
            if await self.take(name, moves[name][1]):
                done += 1
                if done % 200 == 0:
                    await self.auditor.check_everything()

    async def take(self, name: str, move: Move) -> bool:
        self.step = Step([name])
        try:
            taken = await move()
            if taken:
                await self.audit()
        finally:
            self.log.append(f"{self.world.clock.now():%d %H:%M:%S} {' '.join(self.step.words)}")
        if not taken:
            self.log.pop()
            return False
        self.counts[name] = self.counts.get(name, 0) + 1
        return True

    async def audit(self) -> None:
        for payment in self.step.touched.values():
            await self.look_at(payment)
        for refund in self.step.refunds:
            await self.look_at_refund(refund)
        await self.auditor.check_step()

    async def look_at(self, payment: Payment) -> None:
        """What the API shows of a payment; what only it knows goes into the model."""
        if payment.id is None:
            raise Objection(f"nobody told the id of {payment}")
        client = self.world.clients[payment.merchant]
        shown = (await client.get(f"/api/v1/payments/{payment.id}")).body
        compare(payment.name, shown, payment.shown())
        if payment.hold is not None and payment.hold.id is not None:
            held = (await client.get(f"/api/v1/holds/{payment.hold.id}")).body
            compare(payment.hold.name, held, payment.hold.shown(payment))
        if (payment.fee, payment.tax) != (shown["fee"], shown["tax"]):
            if not 0 < shown["fee"] <= payment.captured * 3 // 100 + 1:
                raise Objection(f"a fee of {shown['fee']} for {payment}")
            self.model.charged(payment, shown["fee"], shown["tax"], self.world.clock.now())
        if payment.expires_at is None and shown["authorization_expires_at"] is not None:
            expires_at = type(payment.created_at).fromisoformat(shown["authorization_expires_at"])
            payment.expires_at = expires_at

    async def look_at_refund(self, refund: Refund) -> None:
        if refund.id is None:
            raise Objection(f"nobody told the id of {refund}")
        client = self.world.clients[refund.payment.merchant]
        shown = (await client.get(f"/api/v1/refunds/{refund.id}")).body
        compare(refund.name, shown, {"status": refund.status, "amount": refund.amount})
        back, now = (shown["fee_returned"], shown["tax_returned"]), self.world.clock.now()
        returns = self.model.merchants[refund.payment.merchant].returns_fees
        if any(back) and not (returns and refund.status == "succeeded"):
            raise Objection(f"{refund} gave {back} back")
        self.model.returned(refund, *back, now)

    # ── a call ───────────────────────────────────────────────────────────────────────────

    def plan(self) -> Plan:
        (fate,) = self.random.choices(list(FATES), list(FATES.values()))
        silent = self.random.random() < SILENT
        hold = self.random.choice(["before", "after"]) if self.random.random() < HOLDS else ""
        deaf = self.random.randint(1, 3) if self.random.random() < DEAF else 0
        delay = timedelta(seconds=self.random.randint(1, 280))
        if fate in {Fate.LOST, Fate.LATE}:
            hold = ""
        return Plan(fate, silent=silent, hold=hold, delay=delay, deaf=deaf)

    async def perform(self, ask: Ask, refusal: str | None, plan: Plan | None = None) -> bool:
        """Makes a call of which the model knows whether it is taken in; True when it was."""
        plan = plan or self.plan()
        self.step.say(ask.merchant, ask.of.name, _told(ask.body), f"[{plan}]")
        asked = len(self.bank.asked)
        self.bank.plans = [plan]
        client = self.world.clients[ask.merchant]
        call = asyncio.ensure_future(client.post(ask.path, ask.body, ask.key))
        hangs = await self.world.until_it_hangs(call)
        reply = None if hangs else await call
        self.bank.plans.clear()
        new = self._last_of(self.bank.asked[asked:], ask)
        past_limit = refusal == "limit_exceeded" and not new and self._suspect(ask)
        if past_limit and reply is not None and reply.status == ask.done:
            self.begin(ask)  # risk is asked before limits are
            refusal = None
        if refusal is not None:
            self._refused(ask, reply, refusal, len(new))
            return False
        if not new and reply is not None and self._blocked(ask, reply):
            return True
        if len(new) != 1:
            raise Objection(f"{ask} reached the bank {len(new)} times: {reply}")
        (record,) = new
        ask.sent, ask.reference = True, record.reference
        self.model.sent(record, ask.of, self.world.clock.now())
        self.asks.append(ask)
        if reply is None:
            self.lines.append(Line(ask, call))
            self.step.say("→ hangs")
            await self.find_id(ask)
            self.step.touched[ask.payment.name] = ask.payment
            return True
        self.hear(ask)
        self.judge(ask, reply)
        return True

    def _last_of(self, records: list[Record], ask: Ask) -> list[Record]:
        """A payment that a rail failed goes on to the next: only the last one has its answer."""
        for failed in records[:-1]:
            if failed.operation != "authorize" or failed.state != "failed":
                raise Objection(f"{ask} reached the bank {len(records)} times, after {failed}")
            self.model.sent(failed, ask.of, self.world.clock.now())
        return records[-1:]

    def _refused(self, ask: Ask, reply: Reply | None, refusal: str, asked: int) -> None:
        self.step.say("→ refused:", refusal)
        self.refusals[refusal] = self.refusals.get(refusal, 0) + 1
        if reply is None or reply.status < 400 or reply.code != refusal or asked:
            raise Objection(f"{refusal} expected for {ask}, came {reply}")

    def begin(self, ask: Ask) -> None:
        """A payment comes into being, its amount taken from the limits."""
        payment = ask.payment
        self.model.payments[payment.name] = payment
        self.model.spend(payment)
        if ask.intent is not None:
            ask.intent.status, ask.intent.payment = "processing", payment
            payment.intent = ask.intent

    def _suspect(self, ask: Ask) -> bool:
        return any(each.payment.merchant == ask.merchant for each in self.model.disputes.values())

    def _blocked(self, ask: Ask, reply: Reply) -> bool:
        """Risk says no, once a card was part of a fraud: a payment, and no money."""
        payment = ask.payment
        if ask.operation != "pay" or reply.status != ask.done or not self._suspect(ask):
            return False
        payment.status = "blocked"
        self.model.spend(payment, -1)
        if ask.intent is not None:
            ask.intent.follow(payment, self.world.clock.now())
        self.asks.append(ask)
        ask.final = True
        self.judge(ask, reply)
        return True

    async def find_id(self, ask: Ask) -> None:
        """The id of what an unanswered call has made: it is the newest there is."""
        if ask.of.id is None:
            what = "payments" if isinstance(ask.of, Payment) else "refunds"
            client = self.world.clients[ask.merchant]
            newest = (await client.get(f"/api/v1/{what}?limit=1")).body["data"]
            ask.of.id = newest[0]["id"]

    def hear(self, ask: Ask | None = None) -> None:
        """What the bank has answered since: to calls and to enquiries alike."""
        now = self.world.clock.now()
        for reference, kind in self.bank.told[self._heard :]:
            self._notice(reference, now)
            own = ask is not None and reference == ask.reference
            news = self.model.told(reference, str(kind), now, call=own)
            if own:
                ask.heard = str(kind)
                told = kind == "deemed" and ask.payment.deemed == "deemed"
                ask.final = news and (told or kind in {"approved", "declined", "failed"})
            attempt = self.model.attempts.get(reference)
            of = attempt.of if attempt is not None else None
            payment = of if isinstance(of, Payment) else getattr(of, "payment", None)
            if payment is not None and attempt.operation == "authorize" and payment.id is None:
                payment = None  # nobody has told its name yet
            if isinstance(of, Refund) and of not in self.step.refunds:
                self.step.refunds.append(of)
            if isinstance(payment, Payment):
                self.step.touched[payment.name] = payment
                self.step.say(f"· {payment.name}: {attempt.operation} {kind}")
        self._heard = len(self.bank.told)

    def _notice(self, reference: str, now: datetime) -> None:
        """A return of late money begins in the commit that learns of it."""
        record = self.bank.records.get(reference)
        if record is None or reference in self.model.attempts:
            return
        loads = (load for purse in self.model.purses for load in purse.loads)
        load = next((each for each in loads if each.reference == record.original), None)
        if load is not None:
            self.model.sent(record, load, now)
            return
        item = self.model.late.get(record.original or "")
        if item is not None and item.due_at is not None:
            self.model.sent(record, item, now)

    def judge(self, ask: Ask, reply: Reply) -> None:
        """An answer to a call that was taken in."""
        ask.first = ask.first or reply
        self.step.touched[ask.payment.name] = ask.payment
        status, name, fields = ask.wanted()
        self.step.say("→", reply.status, fields["status"])
        if ask.refused_by_rail:
            if (reply.status, reply.code) != (402, "refused_by_rail"):
                raise Objection(f"the bank refused {ask}: {reply}")
            return
        if reply.status != status:
            raise Objection(f"{status} expected for {ask}: {reply}")
        self.learn_id(ask, reply.body)
        compare(name, reply.body, fields)

    def learn_id(self, ask: Ask, body: Mapping[str, Any]) -> None:
        of: Payment | Refund = ask.of
        id_ = body["payment_id"] if ask.intent is not None else body["id"]
        if ask.hold is not None:
            ask.hold.id, id_ = id_, body["payment"]
        if of.id is None:
            of.id = id_
        if ask.intent is None and of.id != id_:
            raise Objection(f"{of} is {id_} now")

    async def again(self, ask: Ask) -> None:
        """The same call with the same key: it is answered, never carried out a second time."""
        asked = len(self.bank.asked)
        reply = await self.world.clients[ask.merchant].post(ask.path, ask.body, ask.key)
        self.step.say(ask.operation, ask.of.name, "again →", reply.status)
        if len(self.bank.asked) != asked:
            raise Objection(f"{ask} was sent to the bank twice")
        if reply.code == "idempotency_in_flight" and not ask.final:
            return
        if not reply.replayed:
            raise Objection(f"{ask} is answered by {reply}")
        if ask.final and ask.first is not None:
            if (reply.status, reply.raw) != (ask.first.status, ask.first.raw):
                raise Objection(f"{ask.first} came first, now {reply}")
            return
        if reply.status not in {ask.done, 202}:
            raise Objection(f"{ask} is answered by {reply}")
        _, name, fields = ask.wanted()
        self.learn_id(ask, reply.body)
        compare(name, reply.body, fields)

    # ── lines that hang ──────────────────────────────────────────────────────────────────

    async def let_go(self, line: Line) -> None:
        """The bank answers after all, however late that is."""
        self.lines.remove(line)
        asked = len(self.bank.asked)
        self.bank.hanging[line.ask.reference].let_go.set()
        reply = await line.call
        self.step.say(line.ask.operation, line.ask.of.name)
        for record in self.bank.asked[asked:]:  # it failed there, and went on to the next rail
            self.model.sent(record, line.ask.of, self.world.clock.now())
            line.ask.reference = record.reference
        self.hear(line.ask)
        self.judge(line.ask, reply)

    async def die(self, line: Line) -> None:
        """The process dies between the two commits: nobody hears the bank's answer."""
        self.lines.remove(line)
        self.step.say(line.ask.operation, line.ask.of.name)
        line.call.cancel()
        await asyncio.wait({line.call})
        self.step.touched[line.ask.payment.name] = line.ask.payment

    # ── the end ──────────────────────────────────────────────────────────────────────────

    async def finish(self, moves: Mapping[str, tuple[int, Move]]) -> None:
        """Nothing is left hanging or waiting; then everything has to agree with the bank."""
        for line in list(self.lines):
            await self.take("let go", _always(self.let_go, line))
        for _ in range(30):
            for reference in self.bank.waiting():  # a return that begins here may wait as well
                self.bank.act(reference)
            kept = [each for each in self.model.late.values() if not each.returned]
            kept += [p for p in self.model.purses if p.sweep or any(e.due for e in p.loads)]
            if not kept and not any(each.open for each in self.model.attempts.values()):
                break
            self.world.clock.advance(timedelta(hours=7))
            await self.take("recover", _always(self.recover))
            await self.take("give back", moves["give back"][1])
            await self.take("give back loads", moves["give back loads"][1])
        for ask in [ask for ask in self.asks if ask.of.id is None]:
            await self.take("again", _always(self.again, ask))
        await self.auditor.check_everything()
        self.auditor.check_against_bank()

    async def recover(self) -> None:
        await self.world.recover()
        self.hear()


def _always(act: Callable[..., Awaitable[None]], *arguments: object) -> Move:
    async def move() -> bool:
        await act(*arguments)
        return True

    return move


def _told(body: Mapping[str, Any]) -> str:
    return str(body.get("amount", "all"))
