"""Risk lists and terms on PostgreSQL: what is said holds at once, for its owner, until its end."""

import asyncio
from datetime import timedelta
from types import SimpleNamespace

import psycopg
import pytest
from psycopg import errors

from models.fraud.rules import RuleData, RulesData, RulesRefused, compile_rules
from online.kernel.errors import InvalidRequest, NotFound, PreconditionFailed
from online.operations.verify import verify_books
from online.platform.lists import Window
from online.platform.settings import Scorer
from online.screening.build import Screening
from online.screening.domain import HOUSE, Keys, Owner, RiskTerms
from online.screening.external import Scorers
from online.screening.service import Listing, Lists, Named, Terms
from online.screening.store import QUERIES, Filter
from tests.house import META, house_on

pytestmark = pytest.mark.anyio

DEFAULTS = RiskTerms(
    challenge_at=40, review_at=60, block_at=75, failure_mode="review", timeout_ms=1_000
)
STRICT = RiskTerms(
    challenge_at=10, review_at=20, block_at=30, failure_mode="block", timeout_ms=50, scorer="own"
)
SCORERS = {"own": Scorer(url="http://127.0.0.1:9/score", timeout_ms=100)}
DAY = timedelta(days=1)


class PlainNaming:
    """Keys that a test can write down."""

    async def name(self, subject, value, owner) -> Named:
        return Named(f"{subject}:{value}", f"{value[:2]}…")


@pytest.fixture
async def house(database_url):
    async with house_on(database_url) as house:
        house.lists = Lists(house.database, house.writer, house.clock, PlainNaming())
        house.terms = Terms(
            house.database, house.writer, house.clock, defaults=DEFAULTS, scorers=SCORERS
        )
        house.shop, house.other = [
            Owner((await house.merchant()).id, False),
            Owner((await house.merchant()).id, False),
        ]
        yield house


def order(owner, kind="block", subject="vpa", value="asha@ybl", **fields) -> Listing:
    terms = {"reason": "chargebacks", "expires_at": None, **fields}
    return Listing(owner=owner, kind=kind, subject=subject, value=value, **terms)


async def standing(house, owner, **keys):
    """What a payment of this merchant with these keys meets now."""
    named = {subject: f"{subject}:{value}" for subject, value in keys.items()}
    async with house.database.connection() as connection:
        return await house.lists.read(
            connection,
            Keys(merchant_id=owner.id, livemode=owner.livemode, **named),
            house.clock.now(),
        )


async def test_what_is_listed_holds_at_once_and_for_its_owner_alone(house):
    assert await standing(house, house.shop, vpa="asha@ybl") == frozenset()
    entry, is_new = await house.lists.add(order(house.shop), META)
    assert is_new
    assert await standing(house, house.shop, vpa="asha@ybl") == {("vpa", "block")}
    assert await standing(house, house.shop, vpa="ravi@ybl") == frozenset()
    assert await standing(house, house.shop, device="asha@ybl") == frozenset()
    assert await standing(house, house.other, vpa="asha@ybl") == frozenset()
    assert await standing(house, Owner(house.shop.id, True), vpa="asha@ybl") == frozenset()
    await house.lists.remove(entry.id, house.shop, META)
    assert await standing(house, house.shop, vpa="asha@ybl") == frozenset()


async def test_the_lists_of_the_house_hold_for_everybody(house):
    await house.lists.add(order(Owner(HOUSE, False), "watch", "ip", "203.0.113.7"), META)
    await house.lists.add(order(house.shop, "allow", "ip", "203.0.113.7"), META)
    assert await standing(house, house.shop, ip="203.0.113.7") == {("ip", "watch"), ("ip", "allow")}
    assert await standing(house, house.other, ip="203.0.113.7") == {("ip", "watch")}


async def test_everything_a_payment_carries_is_looked_up_in_one_read(house):
    for subject in ("card", "vpa", "device", "ip", "customer"):
        await house.lists.add(order(house.shop, "watch", subject, "x"), META)
    found = await standing(house, house.shop, card="x", vpa="x", device="x", ip="x", customer="x")
    assert {subject for subject, _ in found} == {"card", "vpa", "device", "ip", "customer"}


async def test_a_look_at_long_lists_is_a_look_at_the_index(house, owner_url):
    with psycopg.connect(owner_url, autocommit=True) as owner:
        owner.execute(
            "insert into risk_lists select gen_random_uuid(), %s, 'watch', 'vpa', 'vpa:' || n, '…',"
            " 'r', 'a', 'listed', null, 1, false, now(), now() from generate_series(1, 50000) n",
            (house.shop.id,),
        )
        owner.execute("analyze risk_lists")
        # As the service plans it: once, whatever is asked.
        owner.execute("set plan_cache_mode = force_generic_plan")
        names = ("subjects", "keys", "merchant_id", "house", "livemode", "at")
        numbered = QUERIES["listed"] % {name: f"${n}" for n, name in enumerate(names, start=1)}
        kinds = "text[], text[], uuid, uuid, boolean, timestamptz"
        owner.execute(f"prepare listed ({kinds}) as {numbered}")
        plan = owner.execute(
            "explain execute listed (array['vpa', 'ip'], array['vpa:77', 'x'],"
            " gen_random_uuid(), gen_random_uuid(), false, now())"
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "risk_lists_key" in text, text
    assert "Seq Scan on risk_lists" not in text, text
    assert await standing(house, house.shop, vpa="77") == {("vpa", "watch")}


async def test_an_entry_ends_by_the_clock(house):
    until = house.clock.now() + DAY
    await house.lists.add(order(house.shop, expires_at=until), META)
    house.clock.advance(DAY - timedelta(microseconds=1))
    assert await standing(house, house.shop, vpa="asha@ybl") == {("vpa", "block")}
    house.clock.advance(timedelta(microseconds=1))
    assert await standing(house, house.shop, vpa="asha@ybl") == frozenset()
    # Listed again it stands again, as new.
    _, is_new = await house.lists.add(order(house.shop), META)
    assert is_new
    assert await standing(house, house.shop, vpa="asha@ybl") == {("vpa", "block")}


async def test_the_same_again_changes_nothing_and_other_terms_are_a_change(house):
    first, _ = await house.lists.add(order(house.shop), META)
    again, is_new = await house.lists.add(order(house.shop), META)
    assert (again, is_new) == (first, False)
    other, is_new = await house.lists.add(order(house.shop, reason="proven"), META)
    assert (other.id, other.version, other.reason, is_new) == (first.id, 2, "proven", False)
    await house.lists.remove(first.id, house.shop, META)
    twice = await house.lists.remove(first.id, house.shop, META)
    assert twice.version == 3
    entry, history = await house.lists.show(first.id, house.shop)
    assert entry.state_at(house.clock.now()) == "removed"
    assert [(each.event_type, each.actor) for each in history] == [
        ("risk_list.listed", "test"),
        ("risk_list.listed", "test"),
        ("risk_list.removed", "test"),
    ]


async def test_two_who_list_the_same_at_once_make_one_entry(house):
    done = await asyncio.gather(*(house.lists.add(order(house.shop), META) for _ in range(8)))
    assert sum(is_new for _, is_new in done) == 1
    assert {entry.version for entry, _ in done} == {1}
    assert await house.count("risk_lists") == 1


async def test_nobody_sees_the_entries_of_another(house):
    entry, _ = await house.lists.add(order(house.shop), META)
    for stranger in (house.other, Owner(HOUSE, False), Owner(house.shop.id, True)):
        with pytest.raises(NotFound):
            await house.lists.show(entry.id, stranger)
        with pytest.raises(NotFound):
            await house.lists.remove(entry.id, stranger, META)
        wanted = Filter(owner=stranger, now=house.clock.now())
        assert await house.lists.page(wanted, Window(after=entry.id, limit=10)) == ([], False)


async def test_a_list_is_read_page_by_page_newest_first(house):
    for number in range(5):
        house.clock.advance(timedelta(seconds=number % 2))  # two of them at the same moment
        await house.lists.add(order(house.shop, value=f"payer{number}@ybl"), META)
    await house.lists.add(order(house.shop, "watch"), META)
    gone, _ = await house.lists.add(order(house.shop, value="gone@ybl"), META)
    await house.lists.remove(gone.id, house.shop, META)
    wanted = Filter(owner=house.shop, now=house.clock.now(), kind="block")
    seen, after, more = [], None, True
    while more:
        rows, more = await house.lists.page(wanted, Window(after=after, limit=2))
        seen += rows
        after = rows[-1].id
    assert len(seen) == len({entry.id for entry in seen}) == 5
    assert seen == sorted(seen, key=lambda e: (e.created_at, e.id), reverse=True)
    every = Filter(owner=house.shop, now=house.clock.now(), standing=False)
    assert len((await house.lists.page(every, Window(after=None, limit=10)))[0]) == 7


async def test_a_merchant_without_terms_has_the_defaults(house):
    found = await house.terms.show(house.shop.id, livemode=False)
    assert (found.terms, found.version, found.agreed_by) == (DEFAULTS, 0, None)
    assert await house.terms.of(house.shop.id, livemode=False) == DEFAULTS


async def test_terms_are_a_merchants_own_and_known_at_once_where_they_were_agreed(house):
    await house.terms.of(house.shop.id, livemode=False)  # in the cache
    agreed = await house.terms.agree(house.shop.id, STRICT, no_match, META, livemode=False)
    assert (agreed.terms, agreed.version, agreed.agreed_by) == (STRICT, 1, "test")
    assert await house.terms.of(house.shop.id, livemode=False) == STRICT
    assert await house.terms.of(house.other.id, livemode=False) == DEFAULTS
    again = await house.terms.agree(house.shop.id, STRICT, no_match, META, livemode=False)
    assert again.version == 1
    back = await house.terms.agree(house.shop.id, DEFAULTS, no_match, META, livemode=False)
    assert back.version == 2
    events = await house.rows(
        "select version, data ->> 'scorer' from payment_events"
        " where event_type = 'risk_terms.agreed' order by version"
    )
    assert events == [(1, "own"), (2, None)]


def no_match(_: int) -> None:
    """No `If-Match` was sent."""


async def test_terms_name_a_scorer_that_there_is(house):
    terms = SimpleNamespace(scorer="somebody")
    with pytest.raises(InvalidRequest, match="no scorer"):
        await house.terms.agree(house.shop.id, terms, no_match, META, livemode=False)


async def test_terms_that_were_changed_meanwhile_are_not_written_over(house):
    def match(version: int) -> None:
        if version != 0:
            raise PreconditionFailed("changed")

    await house.terms.agree(house.shop.id, STRICT, match, META, livemode=False)
    with pytest.raises(PreconditionFailed):
        await house.terms.agree(house.shop.id, DEFAULTS, match, META, livemode=False)


async def test_lists_and_terms_follow_from_the_log(house, owner_url):
    entry, _ = await house.lists.add(order(house.shop), META)
    await house.lists.add(order(house.shop, reason="proven"), META)
    await house.lists.add(order(Owner(HOUSE, False), "watch", "device", "phone"), META)
    await house.lists.remove(entry.id, house.shop, META)
    await house.terms.agree(house.shop.id, STRICT, no_match, META, livemode=False)
    assert (await verify_books(owner_url)).snapshots_equal
    async with house.database.connection() as connection:
        await connection.execute("update risk_lists set reason = 'other' where kind = 'watch'")
    assert not (await verify_books(owner_url)).snapshots_equal


def rules(score: int, version: int = 1):
    return compile_rules(RulesData(version, [RuleData("c", "d", "new_pair", score)]))


def screening(house, ruleset) -> Screening:
    return Screening(
        database=house.database,
        clock=house.clock,
        rules=ruleset,
        lists=house.lists,
        terms=house.terms,
        scorers=Scorers({}),
    )


async def test_a_version_of_the_rules_has_one_content_forever(house):
    await screening(house, rules(5)).start()
    await screening(house, rules(5)).start()
    with pytest.raises(RulesRefused, match="version 1 of the rules was used before with another"):
        await screening(house, rules(6)).start()
    await screening(house, rules(6, version=2)).start()
    await screening(house, rules(5)).start()  # back to what it was
    kept = await house.rows("select version, content -> 'rules' -> 0 ->> 'when' from risk_rules")
    assert sorted(kept) == [(1, "new_pair"), (2, "new_pair")]
    with pytest.raises(errors.InsufficientPrivilege):
        async with house.database.connection() as connection:
            await connection.execute("update risk_rules set hash = 'x'")
