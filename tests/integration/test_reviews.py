"""Reviews over HTTP, on PostgreSQL: from a payment that risk has doubts about to what risk learns,
with many who claim and decide at once, and tenants who do not see each other's."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from online.kernel import ids
from online.operations.verify import verify_books
from online.operations.worker import label_once
from online.security.service import NewClient
from tests.gateways import Gateway, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio

WORK = ("reviews:read", "reviews:write")
LEASE = timedelta(minutes=30)
AT_ONCE = 12


class Person:
    """Somebody with a client of their own: of a merchant's staff, or of the house."""

    def __init__(self, gateway: Gateway, client: NewClient, kind: str) -> None:
        self.client, self.actor = gateway.client, f"{kind}:{client.client_id}"
        self._credentials, self._is = gateway.services.credentials, client
        self._headers: dict[str, str] = {}

    async def sign_in(self) -> None:
        token = await self._credentials.exchange(self._is.client_id, self._is.client_secret)
        self._headers = {"Authorization": f"Bearer {token.access_token}"}

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.client.get(f"/api/v1{path}", headers=self._headers, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any = None) -> httpx.Response:
        return await self.client.post(f"/api/v1{path}", headers=self._headers, json=body)

    async def claim(self, review: str) -> httpx.Response:
        return await self.post(f"/reviews/{review}/claim")

    async def decide(self, review: str, outcome: str = "fraud") -> httpx.Response:
        body = {"outcome": outcome, "reason": "The payer says so."}
        return await self.post(f"/reviews/{review}/decide", body)


class Shop:
    """A merchant whose payments go to review: their payer is known for fraud."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._people: list[Person] = []

    async def person(self, *scopes: str, of_house: bool = False) -> Person:
        services = self.gateway.services
        async with services.database.transaction() as connection:
            client = await services.credentials.create_client(
                connection,
                merchant_id=None if of_house else self.gateway.merchant.merchant.id,
                livemode=False,
                scopes=frozenset(scopes or WORK),
            )
        person = Person(self.gateway, client, "service" if of_house else "merchant")
        await person.sign_in()
        self._people.append(person)
        return person

    async def later(self, by: timedelta) -> None:
        """Moves the clock; whoever there is signs in again."""
        self.gateway.later(by)
        for signs_in in (self.gateway, *self._people):
            await signs_in.sign_in()

    async def reported(self, payment: str, *, fraud: bool = True) -> httpx.Response:
        body = {"payment_id": payment, "fraud": fraud, "reason": "The payer called."}
        return await self.gateway.post("/risk/labels", body, key=None)

    async def review(self, payer: str = "thief@khata", amount: int = 1_000_00) -> str:
        """A payment in review; the payer's first one was fraud."""
        known = await self.gateway.scalar("select count(*) from risk_verdicts where fraud")
        if not known:
            first = await self.gateway.pay(method=upi(payer))
            assert (await self.reported(first["id"])).status_code == 200
        payment = await self.gateway.pay(amount, upi(payer))
        (review,) = await self.gateway.rows(
            "select id from reviews where payment_id = %s", ids.decode("pay", payment["id"])
        )
        return ids.encode("rev", review[0])

    async def labels(self) -> list[tuple[Any, ...]]:
        return await self.gateway.rows(
            "select l.fraud, e.data ->> 'source', l.known_at = e.timestamp from risk_labels l"
            " join payment_events e on e.event_type = 'label.recorded'"
            " and e.timestamp = l.known_at order by l.known_at"
        )


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with gateway_on(settings_for(database_url, tmp_path)) as gateway:
        yield Shop(gateway)


def codes(answers: list[httpx.Response]) -> Counter[str]:
    return Counter("ok" if a.status_code == 200 else a.json()["code"] for a in answers)


# ── from payment to label ────────────────────────────────────────────────────────────────


async def test_a_payment_that_is_allowed_has_no_review(shop: Shop):
    await shop.gateway.pay()
    assert await shop.gateway.scalar("select count(*) from reviews") == 0


async def test_the_review_says_what_risk_said_of_the_payment(shop: Shop):
    review = await shop.review(amount=2_000_00)
    asha = await shop.person()
    file = await asha.get(f"/reviews/{review}")
    shown, payment = file["data"], file["payment"]
    assert (shown["status"], shown["assignee"], shown["outcome"]) == ("open", None, None)
    assert (shown["amount"], shown["currency"]) == (2_000_00, "INR")
    assert (shown["overdue"], shown["payment"]) == (False, payment["id"])
    assert (payment["status"], payment["actions"]) == ("captured", ["refund"])
    assert sum(factor["score"] for factor in file["factors"]) == shown["risk_score"] >= 60
    assert all(factor["description"] for factor in file["factors"])
    assert [event["event_type"] for event in file["history"]] == ["review.opened"]
    later = shop.gateway.services.settings.fraud_detection.review_within_hours
    await shop.later(timedelta(hours=later))
    assert (await asha.get(f"/reviews/{review}"))["data"]["overdue"]


async def test_a_decision_is_a_label_that_the_next_payment_feels(shop: Shop, owner_url: str):
    """The payer's second payment is good, the third is scored with that and with the first."""
    review = await shop.review()
    asha = await shop.person()
    before = (await shop.labels())[0]
    assert before == (True, "report", True)
    assert (await asha.claim(review)).json()["status"] == "claimed"
    answer = await asha.decide(review, "fraud")
    assert answer.status_code == 200, answer.text
    decided = answer.json()
    assert (decided["data"]["status"], decided["data"]["outcome"]) == ("decided", "fraud")
    assert decided["payment"]["actions"] == ["refund"]
    assert await shop.labels() == [before, (True, "review", True)]
    third = await shop.gateway.pay(method=upi("thief@khata"))
    features = await shop.gateway.scalar(
        "select risk -> 'features' from payments where id = %s", ids.decode("pay", third["id"])
    )
    counts = {n: v for n, v in features.items() if n.startswith("vpa_fraud")}
    assert set(counts.values()) == {2}, counts
    refund = await shop.gateway.post("/refunds", {"payment": decided["payment"]["id"]})
    assert refund.status_code == 201, refund.text
    assert (await verify_books(owner_url)).holds


async def test_the_decision_and_its_label_are_one_transaction(shop: Shop):
    review = await shop.review()
    lead = await shop.person(*WORK, "reviews:lead")
    await lead.decide(review, "good")
    rows = await shop.gateway.rows(
        "select count(distinct xid::text), count(*), min(metadata ->> 'causation_id')"
        " from payment_events where event_type in ('review.decided', 'label.recorded')"
        " and coalesce(data ->> 'source', 'review') = 'review'"
    )
    assert rows == [(1, 2, review)]


async def test_a_review_is_opened_with_its_payment_or_not_at_all(shop: Shop):
    await shop.review()
    rows = await shop.gateway.rows(
        "select count(distinct xid::text), count(*) from payment_events where xid = ("
        "   select xid from payment_events where event_type = 'review.opened')"
        " and event_type in ('payment.created', 'payment.processing', 'review.opened')"
    )
    assert rows == [(1, 3)]


async def test_the_same_payment_again_opens_no_second_review(shop: Shop):
    """The same key again answers the first payment and makes no second one, nor its review."""
    await shop.review()
    body = {"amount": 700_00, "payment_method": upi("thief@khata")}
    answers = [await shop.gateway.post("/payments", body, key="once") for _ in range(3)]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await shop.gateway.scalar("select count(*) from reviews") == 2


async def test_the_worker_says_good_where_nobody_said_anything_for_long_enough(shop: Shop):
    """After the days of the settings; what a review or a report has decided stands."""
    review = await shop.review()
    lead = await shop.person(*WORK, "reviews:lead")
    await lead.decide(review, "fraud")
    quiet = await shop.gateway.pay()
    services = shop.gateway.services
    days = services.settings.fraud_detection.good_after_days
    await shop.later(timedelta(days=days, seconds=-60))
    assert await label_once(services) == 0
    await shop.later(timedelta(seconds=120))
    assert (await label_once(services), await label_once(services)) == (3, 0)
    (aged,) = await shop.gateway.rows(
        "select id from risk_verdicts where source = 'aged' and not fraud"
    )
    assert aged == (ids.decode("pay", quiet["id"]),)


# ── who may ──────────────────────────────────────────────────────────────────────────────


async def test_only_whoever_holds_it_decides_and_a_lead(shop: Shop):
    review = await shop.review()
    asha, ravi = await shop.person(), await shop.person()
    lead = await shop.person(*WORK, "reviews:lead")
    assert codes([await asha.decide(review)]) == {"not_claimed": 1}
    await asha.claim(review)
    assert codes([await ravi.decide(review)]) == {"claimed_by_another": 1}
    assert codes([await ravi.post(f"/reviews/{review}/release")]) == {"claimed_by_another": 1}
    assert (await lead.decide(review, "good")).status_code == 200
    assert codes([await asha.decide(review, "good")]) == {"ok": 1}
    assert codes([await asha.decide(review, "fraud")]) == {"already_decided": 1}
    assert [source for _, source, _ in await shop.labels()] == ["report", "review"]


async def test_readers_read(shop: Shop):
    review = await shop.review()
    reader = await shop.person("reviews:read")
    assert (await reader.get("/reviews"))["data"][0]["id"] == review
    assert (await reader.claim(review)).status_code == 403
    stranger = await shop.person("payments:read")
    assert (await stranger.post(f"/reviews/{review}/claim")).status_code == 403


async def test_merchants_do_not_see_each_other_s(shop: Shop):
    review = await shop.review()
    other = Shop(await shop.gateway.another_merchant())
    spy = await other.person(*WORK, "reviews:lead")
    house = await shop.person(*WORK, of_house=True)
    merchant = ids.encode("mrc", shop.gateway.merchant.merchant.id)
    elsewhere = ids.encode("mrc", other.gateway.merchant.merchant.id)
    assert (await spy.get("/reviews"))["data"] == []
    assert (await spy.get("/reviews", merchant=merchant))["data"] == []
    for path in ("claim", "release"):
        assert (await spy.post(f"/reviews/{review}/{path}")).status_code == 404
    assert (await spy.decide(review)).status_code == 404
    assert (await spy.post(f"/reviews/{review}/notes", {"text": "hm"})).status_code == 404
    assert len((await house.get("/reviews", merchant=merchant))["data"]) == 1
    assert (await house.get("/reviews", merchant=elsewhere))["data"] == []
    assert (await house.claim(review)).json()["assignee"] == house.actor
    payment = (await house.get(f"/reviews/{review}"))["payment"]["id"]
    assert (await other.reported(payment)).status_code == 404


# ── the list ─────────────────────────────────────────────────────────────────────────────


async def test_a_page_after_another_in_both_orders(shop: Shop):
    amounts = (300_00, 100_00, 200_00, 100_00)
    made = [await shop.review(amount=amount) for amount in amounts]
    asha = await shop.person()
    newest, most = made[::-1], [made[0], made[2], made[3], made[1]]
    for order, expected in (("newest", newest), ("most_at_stake", most)):
        seen: list[str] = []
        while True:
            after = {"starting_after": seen[-1]} if seen else {}
            page = await asha.get("/reviews", order=order, limit=1, **after)
            seen += [each["id"] for each in page["data"]]
            if not page["has_more"]:
                break
        assert seen == expected


async def test_the_list_by_status_level_and_assignee(shop: Shop):
    first, second, third = [await shop.review() for _ in range(3)]
    asha, ravi = await shop.person(), await shop.person()
    await asha.claim(first)
    await ravi.claim(second)
    await ravi.decide(second)

    async def listed(**query: str) -> set[str]:
        return {each["id"] for each in (await asha.get("/reviews", **query))["data"]}

    assert await listed(status="open") == {third}
    assert await listed(status="claimed") == await listed(assignee="me") == {first}
    assert await listed(status="decided") == await listed(assignee=ravi.actor) == {second}
    assert await listed(level="low") == set()
    assert await listed(level="high") | await listed(level="critical") == {first, second, third}
    await shop.later(LEASE)
    assert await listed(status="open") == {first, third}
    assert await listed(status="claimed") == await listed(assignee="me") == set()


async def test_notes_stay_in_order(shop: Shop):
    review = await shop.review()
    asha, ravi = await shop.person(), await shop.person()
    for person, text in ((asha, "called the payer"), (ravi, "no answer"), (asha, "called back")):
        answer = await person.post(f"/reviews/{review}/notes", {"text": text})
        assert answer.status_code == 201
    notes = (await asha.get(f"/reviews/{review}"))["notes"]
    assert [(note["by"], note["text"]) for note in notes] == [
        (asha.actor, "called the payer"),
        (ravi.actor, "no answer"),
        (asha.actor, "called back"),
    ]


# ── many at once ─────────────────────────────────────────────────────────────────────────


async def test_of_many_who_claim_at_once_one_has_it(shop: Shop, owner_url: str):
    review = await shop.review()
    people = [await shop.person() for _ in range(AT_ONCE)]
    answers = await asyncio.gather(*(person.claim(review) for person in people))
    assert codes(answers) == {"ok": 1, "claimed_by_another": AT_ONCE - 1}
    (winner,) = (a.json() for a in answers if a.status_code == 200)
    shown = (await people[0].get(f"/reviews/{review}"))["data"]
    assert shown["assignee"] == winner["assignee"]
    assert (await verify_books(owner_url)).holds


async def test_a_claim_that_runs_out_is_free_for_one_of_many(shop: Shop):
    review = await shop.review()
    gone = await shop.person()
    await gone.claim(review)
    people = [await shop.person() for _ in range(AT_ONCE)]
    await shop.later(LEASE)
    answers = await asyncio.gather(gone.decide(review), *(p.claim(review) for p in people))
    late, *claims = answers
    assert codes(claims) == {"ok": 1, "claimed_by_another": AT_ONCE - 1}
    assert late.json()["code"] in {"not_claimed", "claimed_by_another"}


async def test_of_two_decisions_at_once_one_stands(shop: Shop, owner_url: str):
    review = await shop.review()
    leads = [await shop.person(*WORK, "reviews:lead") for _ in range(AT_ONCE)]
    asked = ["fraud" if n % 2 else "good" for n in range(AT_ONCE)]
    answers = await asyncio.gather(
        *(lead.decide(review, outcome) for lead, outcome in zip(leads, asked, strict=True))
    )
    assert codes(answers) == {"ok": AT_ONCE // 2, "already_decided": AT_ONCE // 2}
    told = {a.json()["data"]["outcome"] for a in answers if a.status_code == 200}
    assert len(told) == 1
    assert [source for _, source, _ in await shop.labels()] == ["report", "review"]
    assert (await verify_books(owner_url)).holds


async def test_reports_at_once_are_labels_in_an_order(shop: Shop, owner_url: str):
    """Every change of mind is a label, no word is counted twice, and the newest is the verdict."""
    payment = (await shop.gateway.pay())["id"]
    said = [n % 3 == 0 for n in range(AT_ONCE)]
    answers = await asyncio.gather(*(shop.reported(payment, fraud=fraud) for fraud in said))
    assert codes(list(answers)) == {"ok": AT_ONCE}
    labels = [fraud for fraud, _, _ in await shop.labels()]
    assert all(one != following for one, following in pairwise(labels))
    times = await shop.gateway.rows("select count(*), count(distinct known_at) from risk_labels")
    assert times == [(len(labels), len(labels))]
    assert (await verify_books(owner_url)).holds


async def test_the_latest_word_counts_and_nothing_is_edited(shop: Shop):
    payment = (await shop.gateway.pay())["id"]
    for fraud in (True, True, False, True):
        answer = (await shop.reported(payment, fraud=fraud)).json()
        assert (answer["fraud"], answer["source"]) == (fraud, "report")
    assert [fraud for fraud, _, _ in await shop.labels()] == [True, False, True]
