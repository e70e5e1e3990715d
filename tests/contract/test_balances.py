"""Balances, accounts and entries over HTTP: what they show, and to whom."""

import asyncio
from datetime import datetime, timedelta
from urllib.parse import quote

import pytest

from online.kernel import ids
from online.kernel.clock import business_date
from online.ledger import accounts as chart
from online.ledger.change import Change
from online.ledger.journal import Journal, credit, debit
from online.ledger.writer import Writer
from tests.gateways import gateway_on, settings_for

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gateway(database_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened


@pytest.fixture
async def auditor(gateway):
    """Sees every account, and may do nothing."""
    return await gateway.credentials("ledger:read")


def code(answer):
    return answer.status_code, answer.json()["code"]


async def ok(gateway, path, headers={}):  # noqa: B006 - read only
    answer = await gateway.get(path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def balance(gateway, query=""):
    (found,) = (await ok(gateway, f"/balance{query}"))["balances"]
    return found


async def account(gateway, name, headers={}):  # noqa: B006 - read only
    """By the end of its code."""
    data = (await ok(gateway, "/ledger/accounts?limit=100", headers))["data"]
    (found,) = [each for each in data if each["code"].endswith(name)]
    return found


def parts(**sums):
    nothing = dict.fromkeys(
        ("pending", "payable", "reserve", "disputed", "escrow", "total", "authorized"), 0
    )
    return {"currency": "INR", **nothing, **sums}


# ── balance ──────────────────────────────────────────────────────────────────────────────


async def test_a_new_merchant_has_nothing(gateway):
    found = await ok(gateway, "/balance")
    assert found["balances"] == [parts()]
    assert found["merchant_id"] == ids.encode("mrc", gateway.merchant.merchant.id)
    assert (found["object"], found["livemode"], found["as_of"]) == ("balance", False, None)


async def test_a_balance_tells_captured_from_authorized(gateway):
    await gateway.pay(1_000_00)
    await gateway.pay(500_00, await gateway.card(), capture_method="manual")
    assert await balance(gateway) == parts(pending=1_000_00, total=1_000_00, authorized=500_00)
    other = await gateway.another_merchant()
    assert await balance(other) == parts()


async def test_a_balance_adds_up_all_that_is_held(gateway):
    """Every account a merchant may have, several of a kind among them."""
    merchant = gateway.merchant.merchant.id
    held = {
        chart.merchant_payable(merchant): 1,
        chart.merchant_reserve(merchant, "2026w1"): 20,
        chart.merchant_reserve(merchant, "2026w2"): 300,
        chart.merchant_disputed(merchant): 4_000,
    }
    now = gateway.services.clock.now()
    journal = Journal(
        cause=ids.new(now),
        kind="test",
        currency="INR",
        postings=(
            debit(chart.EQUITY_OPENING, sum(held.values())),
            *(credit(to, amount) for to, amount in held.items()),
        ),
        business_date=business_date(now),
        effective_at=now,
        livemode=False,
    )
    await gateway.services.writer.submit(Change(journals=(journal,)))
    await gateway.pay(50_000)
    assert await balance(gateway) == parts(
        pending=50_000, payable=1, reserve=320, disputed=4_000, total=54_321
    )


async def test_a_balance_of_earlier(gateway):
    await gateway.pay(100_00)
    after_first = gateway.services.clock.now()
    gateway.later(timedelta(days=1))
    await gateway.sign_in()
    await gateway.pay(20_00)
    today = business_date(gateway.services.clock.now())
    yesterday = business_date(after_first)
    instant = quote(after_first.isoformat())
    for query in (
        f"?as_of={yesterday}",
        f"?as_of={instant}",
        f"?known_at={instant}",
        f"?known_at={yesterday}",
        f"?as_of={today}&known_at={instant}",
    ):
        assert (await balance(gateway, query))["pending"] == 100_00, query
    for query in ("", f"?as_of={today}", f"?known_at={today}"):
        assert (await balance(gateway, query))["pending"] == 120_00, query
    long_ago = yesterday - timedelta(days=30)
    assert await balance(gateway, f"?as_of={long_ago}") == parts()


@pytest.mark.parametrize(
    "text",
    ["yesterday", "2026-13-01", "2026-11-16T12:00:00", "0001-01-01", "9999-12-31T23:59:59Z", ""],
)
@pytest.mark.parametrize("param", ["as_of", "known_at"])
async def test_a_moment_that_is_none_is_refused(gateway, param, text):
    for path in ("/balance", "/ledger/accounts/acc_00000000000000000000000000/entries"):
        answer = await gateway.get(f"{path}?{param}={text}")
        assert (*code(answer), answer.json()["param"]) == (422, "invalid_request", param)


# ── entries ──────────────────────────────────────────────────────────────────────────────


async def pages(gateway, path, headers={}):  # noqa: B006 - read only
    """All pages of a list of entries, by cursor."""
    found, after = [], ""
    while True:
        page = await ok(gateway, path + after, headers)
        found.append(page)
        if not page["has_more"]:
            return found
        after = f"&starting_after={page['data'][-1]['id']}"


async def test_entries_show_each_leg_with_the_balance_it_left(gateway):
    payment = await gateway.pay(10_000_00, await gateway.card())
    pending = await account(gateway, ":pending")
    found = await ok(gateway, f"/ledger/accounts/{pending['id']}/entries")
    charged, gross = found["data"]
    (attempt,) = await gateway.rows("select id from attempts")
    assert {
        "account_id": pending["id"], "amount": 10_000_00, "currency": "INR",
        "entry_type": "CREDIT", "balance": 10_000_00, "balance_after": 10_000_00,
        "layer": "posted", "kind": "capture", "reference": ids.encode("att", attempt[0]),
        "business_date": business_date(datetime.fromisoformat(payment["updated_at"])).isoformat(),
    }.items() <= gross.items()  # fmt: skip
    assert (charged["amount"], charged["entry_type"]) == (-212_40, "DEBIT")
    assert charged["balance"] == charged["balance_after"] == 9_787_60
    assert charged["transaction_id"] == gross["transaction_id"]
    assert (found["balance"], found["opening"], found["closing"]) == (9_787_60, 0, 9_787_60)
    assert (found["account"]["posted"], found["has_more"]) == (9_787_60, False)


async def test_pages_join_and_hold_while_new_entries_arrive(gateway):
    for amount in range(1, 8):
        await gateway.pay(amount * 100)
    pending = await account(gateway, ":pending")
    path = f"/ledger/accounts/{pending['id']}/entries?limit=3"
    first = await ok(gateway, path)
    await gateway.pay(100_000)  # in front of what was read
    last = first["data"][-1]["id"]
    second = await ok(gateway, f"{path}&starting_after={last}")
    third = await ok(gateway, f"{path}&starting_after={second['data'][-1]['id']}")
    shown = [e["amount"] for page in (first, second, third) for e in page["data"]]
    assert shown == [700, 600, 500, 400, 300, 200, 100]
    assert first["opening"] == second["closing"] == 1_000
    assert second["opening"] == third["closing"] == 100
    assert (third["opening"], third["has_more"]) == (0, False)
    assert (first["balance"], second["balance"]) == (2_800, 102_800)


async def test_the_layer_of_promises_is_a_list_of_its_own(gateway):
    card = await gateway.card()
    payment = await gateway.pay(500_00, card, capture_method="manual")
    await gateway.post(f"/payments/{payment['id']}/capture", {"amount": 200_00})
    pending = await account(gateway, ":pending")
    path = f"/ledger/accounts/{pending['id']}/entries"
    promised = await ok(gateway, f"{path}?layer=pending")
    assert [(e["kind"], e["amount"], e["balance"]) for e in promised["data"]] == [
        ("capture", -200_00, 300_00),
        ("authorization", 500_00, 500_00),
    ]
    assert promised["balance"] == promised["account"]["pending"] == 300_00
    posted = await ok(gateway, path)
    assert {e["layer"] for e in posted["data"]} == {"posted"}
    assert code(await gateway.get(f"{path}?layer=both")) == (422, "invalid_request")


async def test_a_striped_account_is_one_account(gateway, auditor, database_url):
    """Two processes, each with stripes of its own, and one account that sums them."""
    other = Writer(gateway.services.database)
    await other.start()
    now = gateway.services.clock.now()
    pending = chart.merchant_pending(gateway.merchant.merchant.id)
    receivable = chart.rail_receivable("upi_hdfc")

    def change(amount, at):
        return Change(
            journals=(
                Journal(
                    cause=ids.new(at),
                    kind="test",
                    currency="INR",
                    postings=(debit(receivable, amount), credit(pending, amount)),
                    business_date=business_date(at),
                    effective_at=at,
                    livemode=False,
                ),
            )
        )  # fmt: skip

    for n in range(12):
        writer = gateway.services.writer if n % 3 else other
        await writer.submit(change(2**n, now + timedelta(milliseconds=n)))
    await asyncio.gather(
        *(w.submit(change(2**12, now + timedelta(milliseconds=12)))
          for w in (other, gateway.services.writer))
    )  # fmt: skip
    await other.stop()
    stripes = await gateway.scalar(
        "select count(*) from ledger_accounts where code = 'rail:upi_hdfc:receivable'"
    )
    assert stripes > 1
    found = await account(gateway, "upi_hdfc:receivable", auditor)
    total = -(2**12 - 1 + 2 * 2**12)
    assert (found["stripes"], found["posted"], found["normal_side"]) == (stripes, total, "debit")
    shown = await pages(gateway, f"/ledger/accounts/{found['id']}/entries?limit=4", auditor)
    entries = [entry for page in shown for entry in page["data"]]
    assert [e["amount"] for e in entries] == [-(2**12)] * 2 + [-(2**n) for n in range(11, -1, -1)]
    running = 0
    for entry in reversed(entries):
        running += entry["amount"]
        assert entry["balance"] == running
        assert entry["account_id"] == found["id"]
    assert running == total
    assert any(e["balance"] != e["balance_after"] for e in entries)  # of its stripe
    parts_ = await gateway.rows(
        "select id from ledger_accounts where code = 'rail:upi_hdfc:receivable'"
    )
    for (part,) in parts_:  # an entry leads to its account by the stripe's id too
        same = await ok(gateway, f"/ledger/accounts/{ids.encode('acc', part)}", auditor)
        assert same == found


async def test_an_account_goes_by_one_id_whichever_stripe_is_opened(gateway, auditor):
    async with gateway.services.database.connection() as elsewhere:
        # Another process has the first stripes; the writer asks when its first change comes.
        await elsewhere.execute(
            "select pg_advisory_lock(1262833748, n) from generate_series(0, 1) n"
        )
        await gateway.pay(10_000_00, await gateway.card())
    first = await gateway.scalar("select min(stripe) from ledger_accounts where code = 'fees:mdr'")
    assert first >= 2
    shown = await account(gateway, "fees:mdr", auditor)
    assert shown["id"] == ids.encode("acc", chart.FEES_MDR.id("INR", livemode=False, stripe=0))
    assert await ok(gateway, f"/ledger/accounts/{shown['id']}", auditor) == shown
    assert (shown["posted"], shown["stripes"]) == (180_00, 1)


# ── who may see what ─────────────────────────────────────────────────────────────────────


async def test_a_merchant_sees_its_own_accounts_alone(gateway, auditor):
    await gateway.pay(100_00)
    other = await gateway.another_merchant()
    await other.pay(100_00)
    ours = await account(gateway, ":pending")
    theirs = await account(other, ":pending")
    house = await account(gateway, "upi_hdfc:receivable", auditor)
    listed = await ok(gateway, "/ledger/accounts")
    assert [each["id"] for each in listed["data"]] == [ours["id"]]
    for hidden in (theirs, house):
        for path in (f"/ledger/accounts/{hidden['id']}", f"/ledger/accounts/{hidden['id']}/entries",
                     f"/ledger/accounts?starting_after={hidden['id']}"):  # fmt: skip
            assert code(await gateway.get(path)) == (404, "not_found"), path
    nobody = ids.encode("acc", ids.derived("nobody"))
    assert code(await gateway.get(f"/ledger/accounts/{nobody}")) == (404, "not_found")
    assert code(await gateway.get("/ledger/accounts/acc_x")) == (404, "not_found")
    named = ids.encode("mrc", other.merchant.merchant.id)
    for path in ("/balance", "/ledger/accounts"):
        refused = await gateway.get(f"{path}?merchant_id={named}")
        assert code(refused) == (422, "invalid_request")
    entries = await ok(other, f"/ledger/accounts/{theirs['id']}/entries")
    foreign = f"/ledger/accounts/{ours['id']}/entries?starting_after={entries['data'][0]['id']}"
    assert code(await gateway.get(foreign)) == (422, "invalid_request")


async def test_auditors_see_all_accounts(gateway, auditor):
    await gateway.pay(100_00)
    merchant = ids.encode("mrc", gateway.merchant.merchant.id)
    other = await gateway.another_merchant()
    await other.pay(50_00)
    listed = [
        each["code"]
        for page in await pages(gateway, "/ledger/accounts?limit=1", auditor)
        for each in page["data"]
    ]
    assert listed == sorted(listed)
    assert {"rail:upi_hdfc:receivable", f"merchant:{merchant}:pending"} <= set(listed)
    assert len(listed) == 3
    one = await ok(gateway, f"/ledger/accounts?merchant_id={merchant}", auditor)
    assert [each["merchant_id"] for each in one["data"]] == [merchant]
    found = await ok(gateway, f"/balance?merchant_id={merchant}", auditor)
    assert found["balances"] == [parts(pending=100_00, total=100_00)]
    unnamed = await gateway.get("/balance", headers=auditor)
    assert (*code(unnamed), unnamed.json()["param"]) == (422, "invalid_request", "merchant_id")
    live = await ok(gateway, "/ledger/accounts?livemode=true", auditor)
    assert live["data"] == []
    unknown = ids.encode("mrc", ids.derived("nobody"))
    answer = await gateway.get(f"/balance?merchant_id={unknown}", headers=auditor)
    assert code(answer) == (404, "not_found")


async def test_who_may_not_read_the_ledger(gateway):
    await gateway.pay(100_00)
    id_ = (await account(gateway, ":pending"))["id"]
    narrow = await gateway.credentials("payments:read")
    for path in ("/balance", "/ledger/accounts", f"/ledger/accounts/{id_}",
                 f"/ledger/accounts/{id_}/entries"):  # fmt: skip
        for headers in (gateway.publishable, narrow):
            assert code(await gateway.get(path, headers=headers)) == (403, "forbidden")
        anonymous = await gateway.client.get(f"/api/v1{path}")
        assert code(anonymous) == (401, "unauthenticated")
