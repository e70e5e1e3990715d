"""Money that comes late, against PostgreSQL: owed to the payer in the commit that learns of it,
given back once, whatever crosses, crashes or contradicts itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest

from online.attempts.domain import Attempt
from online.operations.verify import verify_books
from online.payments.domain import Payment
from online.payments.orders import Call
from online.platform.idempotency import Answer
from online.rails.domain import Outcome, RailDispute, RailRequest
from tests.fakes import APPROVED, DECLINED, FAILED, NOT_FOUND, PENDING, UNKNOWN, ScriptedRail
from tests.house import META, PAYOUT_RAIL, House, house_on, payable_code, pending_code
from tests.integration.test_settlements import SUMS, batch, traded

pytestmark = pytest.mark.anyio

WINDOW = timedelta(seconds=301)  # after it "not found" is final
AGAIN = timedelta(minutes=1)
OWED = {"rail:upi_hdfc:receivable": -10_000, "refunds:upi_hdfc:payable": 10_000}


class KnowingRail(ScriptedRail):
    """Keeps what became of each reference: `truth` where that is not what it answered."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.truth: dict[str, Outcome] = {}

    async def enquire(self, reference: str) -> Outcome:
        return self.truth.get(reference, NOT_FOUND)

    def _answer(self, request: RailRequest) -> Outcome:
        answer = super()._answer(request)
        if answer is not UNKNOWN:
            self.truth[request.reference] = answer
        return answer

    def asked_for(self, operation: str) -> list[RailRequest]:
        return [each for each in self.asked if type(each).__name__ == f"{operation}Request"]


@pytest.fixture
async def house(database_url: str, owner_url: str) -> AsyncIterator[House]:
    async with house_on(database_url) as built:
        for name in ("upi_hdfc", "card_a", PAYOUT_RAIL):
            built.rails[name] = KnowingRail(name)
        yield built
        await built.check_books()
        report = await verify_books(owner_url)
        assert report.holds, report


async def attempts_of(house: House, payment: Payment) -> list[Attempt]:
    async with house.database.connection() as connection:
        return await house.attempts.of_payment(connection, payment.id)


async def one_of(house: House, payment: Payment, operation: str) -> Attempt:
    """The payment's one attempt of an operation."""
    (found,) = (a for a in await attempts_of(house, payment) if a.operation == operation)
    return found


async def resolve(house: House, attempt: Attempt, told: Outcome | None = None) -> None:
    of = {
        "payment": house.payments.resolve,
        "refund": house.refunds.resolve,
        "settlement": house.payouts.resolve,
    }
    await of[attempt.ordered_by](attempt, META, told)


async def again(house: House, payment: Payment) -> Payment:
    return await house.payments.get(payment.id, payment.merchant_id)


async def canceled(house: House, *, capture: bool = True) -> Payment:
    """A payer who waits, and a merchant who does not: the void is done, the payer's yes is not."""
    merchant = await house.merchant()
    house.rails["upi_hdfc"].next.append(PENDING)
    payment = await house.pay(merchant, 10_000, capture=capture)
    call = Call(key=house.key(merchant), render=lambda *_: Answer(200, b"{}"))
    done = (await house.payments.cancel(payment.id, merchant.id, call, META)).payment
    assert done.status == "canceled"
    return done


async def failed(house: House, first: Outcome) -> Payment:
    """A payment that came to nothing: the rail said so, or knew nothing of it in its window."""
    house.rails["upi_hdfc"].next.append(first)
    payment = await house.pay(await house.merchant(), 10_000)
    if first is UNKNOWN:
        house.clock.advance(WINDOW)
        attempt = await one_of(house, payment, "authorize")
        await resolve(house, attempt)
    payment = await again(house, payment)
    assert payment.status == "failed"
    return payment


STORIES: dict[str, Callable[[House], Any]] = {
    "after a cancel": canceled,
    "after not found was final": lambda house: failed(house, UNKNOWN),
    "after a technical failure that was none": lambda house: failed(house, FAILED),
    "after a decline that was none": lambda house: failed(house, DECLINED),
}


@pytest.mark.parametrize("told", [APPROVED, None], ids=["told", "asked"])
@pytest.mark.parametrize("story", STORIES)
async def test_it_goes_back_to_the_payer_at_once(house: House, story: str, told):
    payment = await STORIES[story](house)
    rail, status = house.rails["upi_hdfc"], payment.status
    attempt = await one_of(house, payment, "authorize")
    rail.truth[attempt.reference] = APPROVED
    assert await house.books() == {}
    await resolve(house, attempt, told)
    payment = await again(house, payment)
    assert (payment.status, payment.captured_minor) == (status, 0)
    assert (payment.late_minor, payment.late_returned_minor) == (10_000, 10_000)
    assert await house.books() == {}
    (back,) = rail.asked_for("Reverse")
    assert (back.original_reference, back.amount_minor) == (attempt.reference, 10_000)
    posted = await house.rows("select kind, reference from ledger_transactions order by created_at")
    assert posted == [
        ("late_money", attempt.reference), ("late_money_reversed", back.reference),
    ]  # fmt: skip
    # A repeated callback, or another question, moves nothing any more.
    for said in (APPROVED, None):
        await resolve(house, await one_of(house, payment, "authorize"), said)
    assert (await again(house, payment)).version == payment.version


async def test_what_was_only_held_is_voided_and_posts_nothing(house: House):
    payment = await canceled(house, capture=False)
    await resolve(house, await one_of(house, payment, "authorize"), APPROVED)
    payment = await again(house, payment)
    assert (payment.late_minor, payment.late_returned_minor) == (10_000, 10_000)
    assert len(house.rails["upi_hdfc"].asked_for("Void")) == 2  # the merchant's, and ours
    assert await house.count("ledger_transactions") == 0


async def test_a_return_that_is_refused_is_tried_again_later_and_later(house: House):
    """A reversal that the rail refuses for good becomes a refund; a failure is tried as it was."""
    payment = await canceled(house)
    rail = house.rails["upi_hdfc"]
    rail.next.extend([FAILED, DECLINED, FAILED, APPROVED])
    await resolve(house, await one_of(house, payment, "authorize"), APPROVED)
    assert await house.books() == OWED
    for wait, operation, number in (
        (AGAIN, "Reverse", 2), (2 * AGAIN, "Refund", 1), (4 * AGAIN, "Refund", 2),
    ):  # fmt: skip
        assert await house.payments.return_late_due() == 0  # not before its time
        assert (await again(house, payment)).late_due_at == house.clock.now() + wait
        house.clock.advance(wait)
        assert await house.payments.return_late_due() == 1
        assert len(rail.asked_for(operation)) == number
    payment = await again(house, payment)
    assert (payment.late_returned_minor, payment.late_due_at) == (10_000, None)
    assert (len(rail.asked_for("Reverse")), len(rail.asked_for("Refund"))) == (2, 2)
    assert await house.books() == {}
    house.clock.advance(timedelta(days=2))
    assert await house.payments.return_late_due() == 0


async def test_a_return_that_nobody_knows_about_is_asked_about_never_sent_again(house: House):
    payment = await canceled(house)
    rail = house.rails["upi_hdfc"]
    rail.next.append(UNKNOWN)
    await resolve(house, await one_of(house, payment, "authorize"), APPROVED)
    house.clock.advance(timedelta(days=1))
    assert await house.payments.return_late_due() == 0
    assert await house.books() == OWED
    back = await house.open_attempt("reverse")
    rail.truth[back.reference] = APPROVED
    await resolve(house, back)
    assert (await again(house, payment)).late_returned_minor == 10_000
    assert len(rail.asked_for("Reverse")) == 1
    assert await house.books() == {}


async def test_several_workers_begin_a_return_once(house: House):
    payments = [await canceled(house) for _ in range(3)]
    rail = house.rails["upi_hdfc"]
    rail.next.extend([FAILED] * 3)
    for payment in payments:
        await resolve(house, await one_of(house, payment, "authorize"), APPROVED)
    house.clock.advance(AGAIN)
    begun = await asyncio.gather(*(house.payments.return_late_due() for _ in range(5)))
    assert sum(begun) == 3
    assert len(rail.asked_for("Reverse")) == 6
    assert await house.books() == {}


async def test_a_callback_an_enquiry_and_the_call_s_own_answer_have_one_effect(house: House):
    payment = await canceled(house)
    rail = house.rails["upi_hdfc"]
    attempt = await one_of(house, payment, "authorize")
    rail.truth[attempt.reference] = APPROVED
    await asyncio.gather(*(resolve(house, attempt, (APPROVED, None)[n % 2]) for n in range(8)))
    payment = await again(house, payment)
    assert (payment.late_minor, payment.late_returned_minor) == (10_000, 10_000)
    assert len(rail.asked_for("Reverse")) == 1
    assert await house.books() == {}


async def test_a_return_that_we_had_given_up_makes_the_next_one_too_much(house: House):
    """The rail refused the reversal and did it all the same; our refund went through as well."""
    payment = await canceled(house)
    rail = house.rails["upi_hdfc"]
    rail.next.extend([DECLINED, UNKNOWN])
    await resolve(house, await one_of(house, payment, "authorize"), APPROVED)
    house.clock.advance(AGAIN)
    assert await house.payments.return_late_due() == 1
    await resolve(house, await one_of(house, payment, "reverse"), APPROVED)
    payment = await again(house, payment)
    assert (payment.late_returned_minor, payment.late_returning_minor) == (10_000, 0)
    assert await house.books() == {}
    await resolve(house, await house.open_attempt("refund"), APPROVED)
    assert await house.books() == {
        "rail:upi_hdfc:receivable": 10_000, "suspense:upi_hdfc": -10_000,
    }  # fmt: skip
    assert (await again(house, payment)).late_returned_minor == 10_000


# ── a process that dies ──────────────────────────────────────────────────────────────────


class Killed(Exception):
    """Nothing of ours catches it."""


def kill(house: House, at: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Dies before or after the `at`-th step: a commit, or a call of the rail."""
    passed: list[str] = []

    def dying(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        async def run(*args: Any) -> Any:
            for when in ("before", "after"):
                answer = await step(*args) if when == "after" else None
                passed.append(f"{when} {name}")
                if len(passed) == at:
                    raise Killed
            return answer

        return run

    monkeypatch.setattr(house.writer, "submit", dying("commit", house.writer.submit))
    monkeypatch.setattr(house.attempts, "send", dying("call", house.attempts.send))
    return passed


@pytest.mark.parametrize("at", range(1, 7))
@pytest.mark.parametrize("refused", [False, True], ids=["given back", "refused at first"])
async def test_a_process_that_dies_anywhere_loses_nothing(house: House, at, refused, monkeypatch):
    """The commit that learns of the money, the call that gives it back, the commit of its
    answer."""
    payment = await canceled(house)
    rail = house.rails["upi_hdfc"]
    attempt = await one_of(house, payment, "authorize")
    rail.truth[attempt.reference] = APPROVED
    rail.next.extend([DECLINED] if refused else [])
    with monkeypatch.context() as patch:
        passed = kill(house, at, patch)
        with pytest.raises(Killed):
            await resolve(house, attempt)
        assert len(passed) == at
    for _ in range(8):
        house.clock.advance(WINDOW)
        for each in await attempts_of(house, payment):
            if each.is_open:
                await resolve(house, each)
        await house.payments.return_late_due()
    payment = await again(house, payment)
    assert (payment.late_minor, payment.late_returned_minor) == (10_000, 10_000)
    done = [r for name in ("Reverse", "Refund") for r in rail.asked_for(name)]
    assert [rail.truth[r.reference] for r in done].count(APPROVED) == 1
    assert await house.books() == {}


async def test_a_worker_that_dies_over_a_return_leaves_it_to_recovery(house: House, monkeypatch):
    payment = await canceled(house)
    rail = house.rails["upi_hdfc"]
    rail.next.append(FAILED)
    await resolve(house, await one_of(house, payment, "authorize"), APPROVED)
    house.clock.advance(AGAIN)
    with monkeypatch.context() as patch:
        kill(house, 3, patch)  # after its commit, before its call
        with pytest.raises(Killed):
            await house.payments.return_late_due()
    assert await house.payments.return_late_due() == 0  # one is under way, as far as we know
    house.clock.advance(WINDOW)
    await resolve(house, await house.open_attempt("reverse"))  # never heard of: failed
    house.clock.advance(2 * AGAIN)
    assert await house.payments.return_late_due() == 1
    assert (await again(house, payment)).late_returned_minor == 10_000


# ── what we had given up, and the rail had not ───────────────────────────────────────────


async def given_up(house: House, operation: str) -> tuple[Payment, Attempt]:
    """A capture, void, reversal or refund that counts as failed."""
    manual = operation in {"capture", "void"}
    payment = await house.pay(await house.merchant(), 10_000, method="card", capture=not manual)
    house.rails["card_a"].next.append(FAILED)
    call = Call(key=house.key(await house.merchants.get(payment.merchant_id)),
                render=lambda *_: Answer(200, b"{}"))  # fmt: skip
    merchant = payment.merchant_id
    match operation:
        case "capture":
            await house.payments.capture(payment.id, merchant, None, call, META)
        case "void":
            await house.payments.cancel(payment.id, merchant, call, META)
        case "reverse":
            await house.payments.reverse(payment.id, merchant, call, META)
        case _:
            await house.refund(payment, 4_000)
    attempt = await one_of(house, payment, operation)
    assert attempt.status == "failed"
    return await again(house, payment), attempt


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ("capture", "captured"),
        ("void", "canceled"),
        ("reverse", "reversed"),
        ("refund", "partially_refunded"),
    ],
)
async def test_it_is_done_as_usual_where_there_is_room(house: House, operation, status):
    payment, attempt = await given_up(house, operation)
    await asyncio.gather(*(resolve(house, attempt, APPROVED) for _ in range(4)))
    payment = await again(house, payment)
    assert payment.status == status
    books = await house.books()
    assert not any(code.startswith("suspense") for code in books)
    expected = {"capture": -10_000, "refund": -6_000}
    assert books.get("rail:card_a:receivable", 0) == expected.get(operation, 0)
    (events,) = await house.rows(
        "select count(*) from payment_events where aggregate_id = %s and version > %s",
        attempt.id, attempt.version,
    )  # fmt: skip
    assert events == (1,)
    assert await house.rows(
        "select data ->> 'late' from payment_events where aggregate_id = %s"
        " and event_type = 'attempt.succeeded'",
        attempt.id,
    ) == [("true",)]  # fmt: skip


@pytest.mark.parametrize(("operation", "moved"), [("capture", 1), ("reverse", -1), ("refund", -1)])
async def test_it_waits_in_suspense_where_there_is_no_room(house: House, operation, moved):
    payment, attempt = await given_up(house, operation)
    if operation == "capture":
        payment = await house.capture(payment, 10_000)
    else:
        await house.refund(payment)
    before = await house.books()
    await resolve(house, attempt, APPROVED)
    after = await house.books()
    amount = moved * attempt.amount_minor
    changed = {code: after.get(code, 0) - before.get(code, 0) for code in before.keys() | after}
    assert {code: each for code, each in changed.items() if each} == {
        "suspense:card_a": amount, "rail:card_a:receivable": -amount,
    }  # fmt: skip
    (row,) = await house.rows(
        "select kind, reference from ledger_transactions where kind like 'unplaced%%'"
    )
    named = {"reverse": "reversal"}.get(operation, operation)
    assert row == (f"unplaced_{named}", attempt.reference)
    assert (await house.rows("select count(*) from payment_events"
                             " where event_type = 'payment.unplaced_money'")) == [(1,)]  # fmt: skip


@pytest.mark.parametrize("sent_again", [False, True])
async def test_a_payout_that_the_bank_had_paid_after_all(house: House, sent_again):
    merchant, day = await traded(house)
    house.rails[PAYOUT_RAIL].next.append(FAILED)
    (receipt,) = await house.settlements.take_in([batch(merchant, day)], META)
    (row,) = await house.rows("select id from attempts where operation = 'payout'")
    async with house.database.connection() as connection:
        attempt = await house.attempts.get(connection, row[0])
    if sent_again:
        await house.payouts.again(receipt.settlement_id, lambda _: None, META)
    await resolve(house, attempt, APPROVED)
    books = await house.books()
    paid = SUMS.net_minor
    assert (await house.settlements.get(receipt.settlement_id, None)).status == "paid"
    assert payable_code(merchant.id) not in books
    assert books[f"payouts:{PAYOUT_RAIL}:in_transit"] == paid * (1 + sent_again)
    assert books.get(f"suspense:{PAYOUT_RAIL}", 0) == -paid * sent_again


async def test_a_no_after_a_yes_moves_nothing(house: House):
    payment = await house.pay(await house.merchant(), 10_000)
    (attempt,) = await attempts_of(house, payment)
    for outcome in (DECLINED, FAILED, UNKNOWN, PENDING):
        await resolve(house, attempt, outcome)
    assert (await again(house, payment)).version == payment.version
    assert (await house.books())[pending_code(payment.merchant_id)] == 10_000


async def test_a_late_no_after_unknown_is_an_ordinary_failure(house: House):
    house.rails["upi_hdfc"].next.append(UNKNOWN)
    payment = await house.pay(await house.merchant(), 10_000)
    (attempt,) = await attempts_of(house, payment)
    await resolve(house, attempt, DECLINED)
    assert (await again(house, payment)).status == "failed"
    assert await house.books() == {}


async def test_a_void_and_an_approval_that_cross_end_and_are_not_asked_about_for_ever(house: House):
    """The payer says yes while the void is under way; the merchant captures; the rail then says
    no to the void. What the capture holds stays held."""
    merchant = await house.merchant()
    rail = house.rails["upi_hdfc"]
    rail.next.extend([PENDING, UNKNOWN])
    payment = await house.pay(merchant, 10_000, capture=False)
    call = Call(key=house.key(merchant), render=lambda *_: Answer(200, b"{}"))
    await house.payments.cancel(payment.id, merchant.id, call, META)
    authorize = await one_of(house, payment, "authorize")
    void = await one_of(house, payment, "void")
    await resolve(house, authorize, APPROVED)
    rail.next.append(UNKNOWN)
    await house.capture(await again(house, payment), 4_000)
    capture = await house.open_attempt("capture")
    await resolve(house, void, DECLINED)
    assert (await again(house, payment)).capture_open_minor == 4_000
    await resolve(house, capture, APPROVED)
    payment = await again(house, payment)
    assert (payment.status, payment.captured_minor) == ("captured", 4_000)
    assert await house.rows("select 1 from attempts where status in ('sent', 'unknown')") == []


async def test_a_void_that_crosses_with_a_capture_and_wins_leaves_the_capture_to_suspense(
    house: House,
):
    merchant = await house.merchant()
    rail = house.rails["upi_hdfc"]
    rail.next.extend([PENDING, UNKNOWN])
    payment = await house.pay(merchant, 10_000, capture=False)
    call = Call(key=house.key(merchant), render=lambda *_: Answer(200, b"{}"))
    await house.payments.cancel(payment.id, merchant.id, call, META)
    authorize = await one_of(house, payment, "authorize")
    void = await one_of(house, payment, "void")
    await resolve(house, authorize, APPROVED)
    rail.next.append(UNKNOWN)
    await house.capture(await again(house, payment), 4_000)
    capture = await house.open_attempt("capture")
    await resolve(house, void, APPROVED)
    assert (await again(house, payment)).status == "canceled"
    await resolve(house, capture, APPROVED)  # the rail did both
    assert await house.books() == {"rail:upi_hdfc:receivable": -4_000, "suspense:upi_hdfc": 4_000}
    assert await house.rows("select 1 from attempts where status in ('sent', 'unknown')") == []


@pytest.mark.parametrize("status", ["open", "won", "lost"])
async def test_a_dispute_of_late_money_is_not_the_merchant_s(house: House, status):
    """The payer's bank takes back what came late, beside our own return of it."""
    payment = await canceled(house)
    attempt = await one_of(house, payment, "authorize")
    await resolve(house, attempt, APPROVED)
    rail = house.rails["upi_hdfc"]
    for said in dict.fromkeys(["open", status]):
        rail.disputes["CB1"] = RailDispute(
            reference="CB1",
            original_reference=attempt.reference,
            amount_minor=10_000,
            currency="INR",
            reason_code="1061",
            status=said,
            respond_by=house.clock.now() + timedelta(days=7),
        )
        taken = await house.disputes.hear("upi_hdfc", "CB1", META)
        assert taken is not None
        assert taken.status == "posted"
    lost = {"rail:upi_hdfc:receivable": 10_000, "suspense:upi_hdfc": -10_000}
    assert await house.books() == (lost if status == "lost" else {})
