"""Transfers between two people over HTTP: what every answer of the rail leaves behind."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from online.operations.verify import verify_books
from tests.gateways import Gateway, gateway_on, settings_for

pytestmark = pytest.mark.anyio

AMOUNT = 900_00
PAYEE = "ravi@oksbi"


@pytest.fixture
async def gateway(database_url: str, tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway_on(settings_for(database_url, tmp_path)) as found:
        yield found
        assert (await verify_books(database_url)).holds


async def customer(gateway: Gateway, **fields: Any) -> str:
    answer = await gateway.post("/customers", {"name": "Asha", "upi_type": "max", **fields})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def send(
    gateway: Gateway, vpa: str = "asha@ybl", *, amount: int = AMOUNT, key: str = "", **fields: Any
) -> httpx.Response:
    payer = fields.pop("payer", None) or await customer(gateway)
    body = {
        "from": {"customer_id": payer, "vpa": vpa},
        "to": {"vpa": PAYEE},
        "amount": amount,
        "device_id": "phone-1",
        **fields,
    }
    return await gateway.post("/transfers", body, key=key)


async def after_recovery(gateway: Gateway, id_: str, *, hours: float = 1) -> Any:
    await gateway.recover(timedelta(hours=hours))
    await gateway.sign_in()  # the token is over by then
    return (await gateway.get(f"/transfers/{id_}")).json()


async def memo(gateway: Gateway) -> dict[str, int]:
    """Balances of the memo accounts, and of everything else (which must be nothing)."""
    rows = await gateway.rows(
        "select code, sum(posted)::bigint from ledger_accounts group by code"
        " having sum(posted) <> 0"
    )
    return dict(rows)


async def used(gateway: Gateway) -> dict[str, int]:
    rows = await gateway.rows("select rule, used from limit_counters where rule like 'p2p%%'")
    return dict(rows)


MOVED = {"p2p:upi_hdfc:payer": -AMOUNT, "p2p:upi_hdfc:payee": AMOUNT}
COUNTED = {"p2p.amount_per_day": AMOUNT, "p2p.transactions_per_day": 1}
FREE = dict.fromkeys(COUNTED, 0)


async def test_money_goes_from_one_person_to_another_and_never_through_us(gateway: Gateway) -> None:
    answer = await send(gateway, note="Diwali")

    assert answer.status_code == 201, answer.text
    sent = answer.json()
    assert sent["status"] == "succeeded"
    assert sent["from"]["vpa_masked"] == "as***@ybl"
    assert sent["to"] == {"customer_id": None, "vpa_masked": "ra***@oksbi", "handle": None}
    assert len(sent["upi_transaction_id"]) == 35
    assert sent["rail_reference"]
    assert await memo(gateway) == MOVED
    assert await used(gateway) == COUNTED


async def test_no_vpa_and_no_note_is_kept(gateway: Gateway) -> None:
    await send(gateway, "asha.secret@ybl", note="for the surprise party")

    kept = await gateway.rows("select data::text from payment_events")
    text = " ".join(row[0] for row in kept)
    assert "asha.secret" not in text
    assert PAYEE not in text
    assert "surprise" not in text


async def test_a_repeated_call_is_answered_word_for_word(gateway: Gateway) -> None:
    payer = await customer(gateway)

    first = await send(gateway, payer=payer, key="once")
    again = await send(gateway, payer=payer, key="once")

    assert again.status_code == 201
    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await memo(gateway) == MOVED


@pytest.mark.parametrize(
    ("vpa", "code"),
    [("decline@khata", "payment_declined"), ("insufficient@khata", "insufficient_funds")],
)
async def test_a_decline_gives_the_limits_back(gateway: Gateway, vpa: str, code: str) -> None:
    answer = await send(gateway, vpa)

    assert answer.status_code == 201
    assert answer.json()["status"] == "failed"
    assert answer.json()["last_error"]["code"] == code
    assert await memo(gateway) == {}
    assert await used(gateway) == FREE


async def test_an_unknown_outcome_keeps_everything_until_it_is_known(gateway: Gateway) -> None:
    answer = await send(gateway, "timeout@khata")

    assert answer.status_code == 202
    assert answer.json()["status"] == "unknown"
    assert await memo(gateway) == {}
    assert await used(gateway) == COUNTED

    known = await after_recovery(gateway, answer.json()["id"])
    assert known["status"] == "succeeded"
    assert await memo(gateway) == MOVED


async def test_a_lost_request_fails_only_after_the_rails_own_window(gateway: Gateway) -> None:
    id_ = (await send(gateway, "lost@khata")).json()["id"]

    early = await after_recovery(gateway, id_, hours=0.03)
    late = await after_recovery(gateway, id_, hours=0.2)

    assert (early["status"], late["status"]) == ("unknown", "failed")
    assert await used(gateway) == FREE


async def test_a_deemed_transfer_is_in_the_books_until_it_is_confirmed(gateway: Gateway) -> None:
    answer = await send(gateway, "debit_without_credit@khata")

    deemed = answer.json()
    assert answer.status_code == 202
    assert deemed["status"] == "deemed"
    assert deemed["credit_due_by"] > deemed["created_at"]
    assert await memo(gateway) == MOVED

    attempt = await open_attempt(gateway)
    rail(gateway).end_deemed(attempt, returned=False)
    confirmed = await after_recovery(gateway, deemed["id"])
    assert confirmed["status"] == "succeeded"
    assert confirmed["credit_due_by"] is None
    assert await memo(gateway) == MOVED
    assert await used(gateway) == COUNTED


async def test_what_is_returned_goes_back_in_the_books_and_in_the_limits(gateway: Gateway) -> None:
    deemed = (await send(gateway, "debit_returned@khata")).json()
    attempt = await open_attempt(gateway)
    rail(gateway).end_deemed(attempt, returned=True)

    returned = await after_recovery(gateway, deemed["id"])

    assert returned["status"] == "returned"
    assert returned["last_error"] == {"code": "returned_by_bank"}
    assert await memo(gateway) == {}
    assert await used(gateway) == FREE
    kinds = await gateway.rows("select kind from ledger_transactions order by created_at")
    assert [kind for (kind,) in kinds] == ["p2p", "p2p_returned"]


async def test_the_payer_may_be_waited_for_and_the_transfer_called_off(gateway: Gateway) -> None:
    answer = await send(gateway, "pending@khata")
    id_ = answer.json()["id"]
    assert answer.status_code == 202
    assert answer.json()["status"] == "requires_action"

    canceled = await gateway.post(f"/transfers/{id_}/cancel", {})

    assert canceled.status_code == 200, canceled.text
    assert canceled.json()["status"] == "canceled"
    assert await memo(gateway) == {}
    assert await used(gateway) == FREE


async def test_what_is_over_is_not_canceled(gateway: Gateway) -> None:
    id_ = (await send(gateway)).json()["id"]

    refused = await gateway.post(f"/transfers/{id_}/cancel", {})

    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")


async def test_what_the_bank_did_after_all_is_booked_late(gateway: Gateway) -> None:
    """A failure that we believed, and the bank's own books that know better."""
    answer = await send(gateway, "late_success_after_failure@khata")
    failed = answer.json()
    assert failed["status"] == "failed"

    (attempt,) = await gateway.rows("select id from attempts")
    async with gateway.services.database.connection() as connection:
        known = await gateway.services.attempts.get(connection, attempt[0])
    assert known is not None
    await gateway.services.resolve(known, "test")

    late = (await gateway.get(f"/transfers/{failed['id']}")).json()
    assert (late["status"], late["late"]) == ("succeeded", True)
    assert await memo(gateway) == MOVED


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"to": {}}, 422, "invalid_request"),
        ({"to": {"vpa": "asha@ybl"}}, 422, "invalid_request"),
        ({"to": {"vpa": "ASHA@ybl"}}, 422, "invalid_request"),
        ({"amount": 1_00_001_00}, 422, "limit_exceeded"),
        ({"flow": "collect"}, 422, "invalid_request"),
        ({"note": "one\ntwo"}, 422, "invalid_request"),
    ],
)
async def test_what_cannot_be_sent_is_refused(
    gateway: Gateway, fields: dict[str, Any], status: int, code: str
) -> None:
    answer = await send(gateway, **fields)

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await gateway.scalar("select count(*) from transfers") == 0


async def test_users_with_minimum_kyc_send_nothing(gateway: Gateway) -> None:
    mini = await customer(gateway, upi_type="mini", kyc_level="minimum")

    answer = await send(gateway, payer=mini)

    assert answer.json()["code"] == "not_for_this_user"


async def test_another_merchants_transfers_and_customers_are_not_there(gateway: Gateway) -> None:
    other = await gateway.another_merchant()
    id_ = (await send(gateway)).json()["id"]

    assert (await other.get(f"/transfers/{id_}")).status_code == 404
    assert (await other.post(f"/transfers/{id_}/cancel", {})).status_code == 404
    assert (await send(other, payer=await customer(gateway))).status_code == 404
    assert (await other.get("/transfers")).json()["data"] == []


async def test_a_list_pages_and_narrows(gateway: Gateway) -> None:
    payer = await customer(gateway)
    made = [(await send(gateway, payer=payer)).json()["id"] for _ in range(3)]
    await send(gateway, "decline@khata")

    first = (await gateway.get(f"/transfers?customer_id={payer}&limit=2")).json()
    rest = (
        await gateway.get(
            f"/transfers?customer_id={payer}&starting_after={first['data'][-1]['id']}"
        )
    ).json()

    assert [each["id"] for each in (*first["data"], *rest["data"])] == made[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    failed = (await gateway.get("/transfers?status=failed")).json()["data"]
    assert [each["status"] for each in failed] == ["failed"]


def rail(gateway: Gateway) -> Any:
    return gateway.services.rails["upi_hdfc"]


async def open_attempt(gateway: Gateway) -> str:
    async with gateway.services.database.connection() as connection:
        rows = await connection.execute("select id from attempts where status = 'deemed'")
        (found,) = await rows.fetchall()
        attempt = await gateway.services.attempts.get(connection, found[0])
    assert attempt is not None
    return attempt.reference


# ── by handles ───────────────────────────────────────────────────────────────────────────


async def handle(gateway: Gateway, customer_id: str, vpa: str, **fields: Any) -> Any:
    body = {
        "customer_id": customer_id,
        "vpa": vpa,
        "purpose": "p2p",
        "max_amount": AMOUNT,
        "max_uses": 2,
        "expires_at": "2035-01-01T00:00:00+05:30",
        **fields,
    }
    answer = await gateway.post("/handles", body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def by_handle(gateway: Gateway, payer: str, alias: str, to: Any, amount: int = AMOUNT) -> Any:
    body = {
        "from": {"customer_id": payer, "handle": alias},
        "to": to,
        "amount": amount,
        "device_id": "phone-1",
    }
    return await gateway.post("/transfers", body)


async def test_both_people_may_be_named_by_their_handles(gateway: Gateway) -> None:
    asha, ravi = await customer(gateway), await customer(gateway)
    sends = await handle(gateway, asha, "asha@ybl")
    receives = await handle(gateway, ravi, "ravi@oksbi")

    sent = await by_handle(gateway, asha, sends["alias"], {"handle": receives["id"]})
    again = await by_handle(gateway, asha, sends["alias"], {"customer_id": ravi})
    over = await by_handle(gateway, asha, sends["alias"], {"customer_id": ravi})

    assert (sent.status_code, again.status_code) == (201, 201), sent.text + again.text
    assert sent.json()["from"] == {
        "customer_id": asha, "vpa_masked": "as***@ybl", "handle": sends["id"],
    }  # fmt: skip
    assert sent.json()["to"] == {
        "customer_id": ravi, "vpa_masked": "ra***@oksbi", "handle": receives["id"],
    }  # fmt: skip
    assert (over.status_code, over.json()["code"]) == (422, "limit_exceeded")
    left = (await gateway.get(f"/handles/{receives['id']}")).json()
    assert left["uses_left"] == 2  # being paid takes nothing of a handle


async def test_a_decline_gives_a_use_of_the_handle_back(gateway: Gateway) -> None:
    asha = await customer(gateway)
    sends = await handle(gateway, asha, "decline@khata")

    failed = await by_handle(gateway, asha, sends["alias"], {"vpa": PAYEE})

    assert failed.json()["status"] == "failed"
    assert (await gateway.get(f"/handles/{sends['id']}")).json()["uses_left"] == 2


@pytest.mark.parametrize("side", ["payer", "payee"])
async def test_nothing_goes_by_a_revoked_handle(gateway: Gateway, side: str) -> None:
    asha, ravi = await customer(gateway), await customer(gateway)
    sends = await handle(gateway, asha, "asha@ybl")
    receives = await handle(gateway, ravi, "ravi@oksbi")
    revoked = {"payer": sends, "payee": receives}[side]
    await gateway.post(f"/handles/{revoked['id']}/revoke", {})

    refused = await by_handle(gateway, asha, sends["alias"], {"handle": receives["id"]})

    assert refused.status_code in {409, 410, 422}, refused.text
    assert await gateway.scalar("select count(*) from transfers") == 0


async def test_a_handle_is_for_its_own_purpose_and_person(gateway: Gateway) -> None:
    asha, other = await customer(gateway), await customer(gateway)
    shop = await handle(gateway, asha, "asha@ybl", purpose="00")
    mine = await handle(gateway, asha, "asha@ybl")

    for payer, alias in ((asha, shop["alias"]), (other, mine["alias"])):
        refused = await by_handle(gateway, payer, alias, {"vpa": PAYEE})
        assert refused.status_code == 422, refused.text
    assert (
        await by_handle(gateway, asha, mine["alias"], {"customer_id": other})
    ).status_code == 404
