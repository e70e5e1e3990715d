"""A payment goes on to the next rail where one has definitely done nothing, and only there.

Over HTTP, with scripted rails at the edge. After each test the books are derived again, and no two
rails have kept money for one payment.
"""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from online.rails.domain import NextAction, Outcome, OutcomeKind
from tests.fakes import (
    APPROVED,
    DECLINED,
    FAILED,
    NOT_FOUND,
    PENDING,
    UNKNOWN,
    ScriptedRail,
)
from tests.gateways import UPI, gateway_on, settings_for

pytestmark = pytest.mark.anyio

LINK = NextAction(type="upi_intent", link="upi://pay?pa=second@khata")


class Remembering(ScriptedRail):
    """Tells an enquiry what it has told the call."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.said: dict[str, Outcome] = {}

    def _answer(self, request):
        self.said[request.reference] = super()._answer(request)
        return self.said[request.reference]

    async def enquire(self, reference: str) -> Outcome:
        return self.said.get(reference, NOT_FOUND)

    @property
    def holds(self) -> int:
        """Payments it has taken money for and not given back."""
        kinds = Counter(
            type(each).__name__
            for each in self.asked
            if self.said[each.reference].kind is OutcomeKind.APPROVED
        )
        return kinds["AuthorizeRequest"] - kinds["ReverseRequest"] - kinds["VoidRequest"]


class Died(BaseException):
    """The process ends here."""


@pytest.fixture
async def gateway(request, database_url, owner_url, tmp_path):
    settings = settings_for(database_url, tmp_path, **getattr(request, "param", {}))
    async with gateway_on(settings) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


def script(gateway, name, *outcomes):
    """From here on this rail answers so, and then approves."""
    rail = Remembering(name)
    rail.next.extend(outcomes)
    gateway.services.rails._rails[name] = rail
    return rail


async def attempts(gateway):
    return await gateway.rows("select rail, operation, status from attempts order by id")


async def used(gateway):
    return await gateway.scalar("select used from limit_counters where rule = 'amount_per_day'")


# ── onward ───────────────────────────────────────────────────────────────────────────────


async def test_a_definite_failure_goes_on_to_the_next_rail(gateway):
    first, second = script(gateway, "upi_hdfc", FAILED), script(gateway, "upi_icici")
    answer = await gateway.post("/payments", {"amount": 100_00, "payment_method": UPI}, key="k")
    assert answer.status_code == 201, answer.text
    paid = answer.json()
    assert (paid["status"], paid["rail"], paid["route"]) == ("captured", "upi_icici", "upi_icici")
    assert paid["last_error"] is None
    assert await attempts(gateway) == [
        ("upi_hdfc", "authorize", "failed"), ("upi_icici", "authorize", "succeeded"),
    ]  # fmt: skip
    [one], [other] = first.asked, second.asked
    assert one.reference != other.reference  # each is an idempotency key of its own rail
    assert (one.amount_minor, one.upi) == (other.amount_minor, other.upi)
    receivables = "select code, posted from ledger_accounts where code ~ '^rail:' and posted <> 0"
    assert await gateway.rows(receivables) == [("rail:upi_icici:receivable", -100_00)]
    assert await used(gateway) == 100_00
    again = await gateway.post("/payments", {"amount": 100_00, "payment_method": UPI}, key="k")
    assert (again.status_code, again.content) == (201, answer.content)
    assert again.headers["Idempotent-Replayed"] == "true"


async def test_one_commit_moves_on_and_each_try_has_its_decision(gateway):
    script(gateway, "upi_hdfc", FAILED)
    script(gateway, "upi_icici")
    paid = await gateway.pay(100_00)
    rows = await gateway.rows(
        "select event_type, data, xid::text from payment_events"
        " where event_type in ('payment.processing', 'attempt.sent', 'attempt.failed')"
        " order by aggregate_id, version"
    )
    one, other = [data for kind, data, _ in rows if kind == "payment.processing"]
    assert (one["rail"], other["rail"]) == ("upi_hdfc", "upi_icici")
    assert one["risk"] == other["risk"] != {}
    reasons = {each["name"]: each["reason"] for each in other["route_decision"]["candidates"]}
    assert reasons["upi_hdfc"] == "already_tried"
    commits = [{kind for kind, _, xid in rows if xid == each} for each in {r[2] for r in rows}]
    moved = {"payment.processing", "attempt.failed", "attempt.sent"}
    assert sorted(commits, key=len) == [{"payment.processing", "attempt.sent"}, moved]
    assert paid["risk"]["decision"] == "allow"


async def test_a_payment_that_is_approved_at_once_costs_no_further_commit(gateway, monkeypatch):
    commits = []
    submit = gateway.services.writer.submit

    async def counted(change):
        commits.append(change)
        return await submit(change)

    monkeypatch.setattr(gateway.services.writer, "submit", counted)
    await gateway.pay(100_00)
    assert len(commits) == 2


async def test_the_last_rail_is_captured_and_refunded_and_priced(gateway):
    script(gateway, "card_a", FAILED)
    second = script(gateway, "card_b")
    held = await gateway.pay(10_000_00, await gateway.card(), capture_method="manual")
    assert (held["status"], held["rail"]) == ("authorized", "card_b")
    taken = await gateway.post(f"/payments/{held['id']}/capture", {"amount": 6_000_00})
    assert taken.status_code == 200, taken.text
    back = await gateway.post("/refunds", {"payment": held["id"], "amount": 1_000_00})
    assert back.status_code == 201, back.text
    kinds = [type(each).__name__ for each in second.asked]
    assert kinds == ["AuthorizeRequest", "CaptureRequest", "RefundRequest"]
    original = second.asked[0].reference
    assert [each.original_reference for each in second.asked[1:]] == [original] * 2
    codes = {code for (code,) in await gateway.rows("select code from ledger_accounts")}
    assert "rail:card_b:receivable" in codes
    assert not any(code.startswith("rail:card_a") for code in codes)


async def test_the_security_code_goes_along_and_is_not_written_down(gateway):
    first, second = script(gateway, "card_a", FAILED), script(gateway, "card_b")
    card = await gateway.card(cvc="739")
    assert (await gateway.pay(100_00, card))["rail"] == "card_b"
    assert [each.asked[0].card.cvc.reveal() for each in (first, second)] == ["739", "739"]
    for table in ("payment_events", "payments", "attempts", "idempotency_keys", "rail_callbacks"):
        stored = await gateway.rows(f"select to_jsonb(t)::text from {table} t")
        assert not any('"739"' in text for (text,) in stored)


async def test_an_intent_is_paid_by_its_one_payment(gateway):
    script(gateway, "upi_hdfc", FAILED)
    script(gateway, "upi_icici")
    intent = (await gateway.post("/intents", {"amount": 100_00})).json()
    done = await gateway.post(f"/intents/{intent['id']}/confirm", {"payment_method": UPI})
    assert (done.status_code, done.json()["status"]) == (200, "succeeded"), done.text
    assert await gateway.rows("select status, rail from payments") == [("captured", "upi_icici")]


async def test_the_payer_gets_the_link_of_the_last_rail(gateway):
    script(gateway, "upi_hdfc", FAILED)
    waits = Outcome(kind=OutcomeKind.PENDING, code="01", next_action=LINK)
    second = script(gateway, "upi_icici", waits)
    waiting = await gateway.pay(100_00)
    assert waiting["status"] == "requires_action"
    assert waiting["next_action"]["link"] == LINK.link
    done = await gateway.post(f"/payments/{waiting['id']}/cancel", {})
    assert done.json()["status"] == "canceled", done.text
    assert second.asked[1].original_reference == second.asked[0].reference


async def test_its_key_is_in_flight_until_the_last_rail_has_answered(gateway):
    script(gateway, "upi_hdfc", FAILED)
    script(gateway, "upi_icici")
    held = gateway.hold("upi_icici")
    body = {"amount": 100_00, "payment_method": UPI}
    call = asyncio.ensure_future(gateway.post("/payments", body, key="k"))
    await held.asked.wait()
    assert await used(gateway) == 100_00
    assert (await gateway.post("/payments", body, key="k")).status_code == 409
    held.let_go.set()
    assert (await call).json()["status"] == "captured"
    assert held.waiting == 1


# ── not onward ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(DECLINED, "failed"), (PENDING, "requires_action"), (UNKNOWN, "unknown")],
    ids=["declined", "pending", "unknown"],
)
async def test_only_a_definite_failure_goes_on(gateway, outcome, status):
    script(gateway, "upi_hdfc", outcome)
    second = script(gateway, "upi_icici")
    assert (await gateway.pay(100_00))["status"] == status
    assert second.asked == []


async def test_recovery_that_learns_of_a_failure_does_not_go_on(gateway):
    """The payer is gone."""
    first, second = script(gateway, "upi_hdfc", UNKNOWN), script(gateway, "upi_icici")
    paid = await gateway.pay(100_00)
    first.said = dict.fromkeys(first.said, FAILED)
    assert await gateway.recover() == 1
    assert (await gateway.payment(paid["id"]))["status"] == "failed"
    assert second.asked == []


async def test_without_another_rail_it_fails_as_the_last_one_did(gateway):
    script(gateway, "upi_hdfc", FAILED)
    last = Outcome(kind=OutcomeKind.FAILED, code="UP", message="the payee's bank is down")
    script(gateway, "upi_icici", last)
    failed = await gateway.pay(100_00)
    assert (failed["status"], failed["rail"]) == ("failed", "upi_icici")
    assert failed["last_error"]["code"] == "rail_failed"
    assert failed["last_error"]["message"] == last.message
    assert [status for *_, status in await attempts(gateway)] == ["failed", "failed"]
    assert await used(gateway) == 0


@pytest.mark.parametrize("code", ["rail_busy", "circuit_open"])
async def test_where_no_rail_was_asked_there_is_no_route(gateway, code):
    nothing_sent = Outcome(kind=OutcomeKind.FAILED, code=code)
    script(gateway, "upi_hdfc", nothing_sent)
    script(gateway, "upi_icici", nothing_sent)
    failed = await gateway.pay(100_00)
    assert (failed["status"], failed["last_error"]["code"]) == ("failed", "route_unavailable")


@pytest.mark.parametrize("gateway", [{"KHATA_CASCADE__MAX_ATTEMPTS": "1"}], indirect=True)
async def test_no_more_rails_than_allowed_are_tried(gateway):
    script(gateway, "upi_hdfc", FAILED)
    second = script(gateway, "upi_icici")
    assert (await gateway.pay(100_00))["status"] == "failed"
    assert second.asked == []


@pytest.mark.parametrize("gateway", [{"KHATA_CASCADE__PATIENCE": "20ms"}], indirect=True)
async def test_a_payer_s_patience_ends(gateway):
    script(gateway, "upi_hdfc", FAILED)
    second = script(gateway, "upi_icici")
    held = gateway.hold("upi_hdfc")
    call = asyncio.ensure_future(gateway.pay(100_00))
    await held.asked.wait()
    await asyncio.sleep(0.03)
    held.let_go.set()
    assert (await call)["status"] == "failed"
    assert second.asked == []


_NO_BUDGET = {
    "KHATA_CASCADE__RETRY_BUDGET__PERCENT": "0",
    "KHATA_CASCADE__RETRY_BUDGET__FLOOR_PER_SECOND": "0",
    "KHATA_CASCADE__RETRY_BUDGET__BURST": "2",
}


@pytest.mark.parametrize("gateway", [_NO_BUDGET], indirect=True)
async def test_a_rail_is_sent_no_more_than_its_budget_of_what_failed_elsewhere(gateway):
    script(gateway, "upi_hdfc", *[FAILED] * 5)
    second = script(gateway, "upi_icici")
    answers = [await gateway.pay(100_00, priority="cost") for _ in range(5)]
    assert Counter(each["status"] for each in answers) == {"captured": 2, "failed": 3}
    assert len(second.asked) == 2


async def test_an_enquiry_that_was_faster_counts(gateway):
    """The call hangs, recovery asks and learns nothing: unknown. Then the call fails."""
    script(gateway, "upi_hdfc", FAILED)
    second = script(gateway, "upi_icici")
    held = gateway.hold("upi_hdfc")
    call = asyncio.ensure_future(gateway.pay(100_00))
    await held.asked.wait()
    assert await gateway.recover() == 1
    assert await gateway.rows("select status from payments") == [("unknown",)]
    held.let_go.set()
    assert (await call)["status"] == "failed"
    assert second.asked == []
    assert await attempts(gateway) == [("upi_hdfc", "authorize", "failed")]
    assert await used(gateway) == 0


# ── the first rail has done it after all ─────────────────────────────────────────────────


async def first_attempt(gateway):
    rows = await gateway.rows("select id from attempts where operation = 'authorize' order by id")
    async with gateway.services.database.connection() as connection:
        return await gateway.services.attempts.get(connection, rows[0][0])


async def late_money(gateway):
    """Of each payment: what came too late, and what of it went back."""
    return await gateway.rows("select late_minor, late_returned_minor from payments")


@pytest.mark.parametrize("outcome", [APPROVED, DECLINED, FAILED], ids=lambda each: each.kind)
async def test_money_of_a_rail_that_was_given_up_goes_back(gateway, outcome):
    """Whatever the second rail said: two never both keep it, and the payer gets no surprise."""
    first, second = script(gateway, "upi_hdfc", FAILED), script(gateway, "upi_icici", outcome)
    paid = await gateway.pay(100_00)
    first.said[first.asked[0].reference] = APPROVED
    await gateway.services.resolve(await first_attempt(gateway), "rail:upi_hdfc")
    assert await late_money(gateway) == [(100_00, 100_00)]
    assert first.holds == 0
    taken = outcome is APPROVED
    assert second.holds == taken
    shown = await gateway.payment(paid["id"])
    assert (shown["status"], shown["rail"]) == ("captured" if taken else "failed", "upi_icici")
    open_ = "select code, posted from ledger_accounts where posted <> 0 and code ~ 'rail|refunds'"
    assert await gateway.rows(open_) == [("rail:upi_icici:receivable", -100_00)] * taken
    assert await used(gateway) == 100_00 * taken


async def test_money_that_comes_late_while_the_second_rail_is_asked_goes_back(gateway):
    first, second = script(gateway, "upi_hdfc", FAILED), script(gateway, "upi_icici")
    held = gateway.hold("upi_icici")
    call = asyncio.ensure_future(gateway.pay(100_00))
    await held.asked.wait()
    first.said[first.asked[0].reference] = APPROVED
    await gateway.services.resolve(await first_attempt(gateway), "rail:upi_hdfc")
    held.let_go.set()
    paid = await call
    assert (paid["status"], paid["rail"]) == ("captured", "upi_icici")
    assert await late_money(gateway) == [(100_00, 100_00)]
    assert (first.holds, second.holds) == (0, 1)


# ── a process that dies ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("commit", [1, 2, 3])
async def test_a_death_at_any_commit_leaves_what_recovery_settles(
    gateway, monkeypatch, commit, after
):
    """The payment, then the move to the next rail, then its outcome."""
    first, second = script(gateway, "upi_hdfc", FAILED), script(gateway, "upi_icici")
    submit, commits = gateway.services.writer.submit, 0

    async def mortal(change):
        nonlocal commits
        commits += 1
        if commits == commit and not after:
            raise Died
        done = await submit(change)
        if commits == commit:
            raise Died
        return done

    monkeypatch.setattr(gateway.services.writer, "submit", mortal)
    body = {"amount": 100_00, "payment_method": UPI}
    with pytest.raises(BaseException) as ended:
        await gateway.post("/payments", body, key="k")
    assert "Died" in repr(ended.value)
    monkeypatch.setattr(gateway.services.writer, "submit", submit)
    sent = [len(first.asked), len(second.asked)]
    if commit == 1 and not after:
        assert await gateway.rows("select 1 from payments") == []
        return
    # Attempts that the rail never heard of are over only after its window.
    await gateway.recover(timedelta(seconds=301))
    assert [len(first.asked), len(second.asked)] == sent  # asked about, never sent again
    reached = commit == 3
    assert await gateway.rows("select status from payments") == [
        ("captured" if reached else "failed",)
    ]
    assert first.holds + second.holds == reached
    assert await used(gateway) == 100_00 * reached
    assert await gateway.rows("select 1 from attempts where next_enquiry_at is not null") == []
    again = await gateway.post("/payments", body, key="k")
    assert again.json()["status"] == ("captured" if reached else "failed")
    assert await gateway.scalar("select count(*) from payments") == 1


async def test_a_death_while_the_second_rail_is_asked(gateway):
    script(gateway, "upi_hdfc", FAILED)
    second = script(gateway, "upi_icici")
    held = gateway.hold("upi_icici")
    call = asyncio.ensure_future(gateway.pay(100_00))
    await held.asked.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    statuses = [status for *_, status in await attempts(gateway)]
    assert statuses == ["failed", "sent"]
    [attempt_id] = (await gateway.rows("select attempt_id from payments"))[0]
    second.said[ids.encode("att", attempt_id)] = APPROVED  # it had arrived
    assert await gateway.recover() == 1
    assert await gateway.rows("select status, rail from payments") == [("captured", "upi_icici")]
