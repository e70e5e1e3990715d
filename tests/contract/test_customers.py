"""Customers over HTTP: lists, updates by version, erasure, and whose they are."""

import pytest

from online.operations.verify import verify_books
from tests.gateways import gateway_on, settings_for

pytestmark = pytest.mark.anyio

RAHUL = {"name": "Rahul", "email": "rahul@example.in", "phone": "+919800000001",
         "upi_type": "max", "vpa": "rahul@ybl"}  # fmt: skip
PERSONAL = ("name", "email", "phone", "upi_type", "vpa_masked")


@pytest.fixture
async def gateway(database_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened


def code(answer):
    return answer.status_code, answer.json()["code"]


async def add(gateway, **fields):
    answer = await gateway.post("/customers", fields or RAHUL, key=None)
    assert answer.status_code == 201, answer.text
    return answer


async def change(gateway, id_, fields, if_match=None):
    headers = {"If-Match": if_match} if if_match else {}
    return await gateway.post(f"/customers/{id_}", fields, key=None, headers=headers)


async def test_a_list_pages_newest_first_by_cursor(gateway):
    added = [(await add(gateway, name=f"Customer {n}")).json()["id"] for n in range(5)]
    other = await gateway.another_merchant()
    await add(other)
    first = (await gateway.get("/customers?limit=3")).json()
    assert (first["object"], first["url"], first["has_more"]) == (
        "list",
        "/api/v1/customers",
        True,
    )
    last = first["data"][-1]["id"]
    added.append((await add(gateway, name="New")).json()["id"])  # moves no page that was begun
    second = (await gateway.get(f"/customers?limit=3&starting_after={last}")).json()
    assert second["has_more"] is False
    shown = [each["id"] for each in first["data"] + second["data"]]
    assert shown == added[4::-1]
    assert code(await gateway.get("/customers?starting_after=pay_0")) == (422, "invalid_request")
    assert code(await gateway.get("/customers?limit=0")) == (422, "invalid_request")


async def test_an_update_sets_what_it_names(gateway):
    id_ = (await add(gateway)).json()["id"]
    answer = await change(gateway, id_, {"name": "Rahul K", "phone": None, "vpa": "rk@okaxis"})
    assert answer.status_code == 200, answer.text
    now = answer.json()
    assert [now[name] for name in PERSONAL] == [
        "Rahul K",
        "rahul@example.in",
        None,
        "max",
        "r***@okaxis",
    ]
    read = await gateway.get(f"/customers/{id_}")
    assert (read.json(), read.headers["ETag"]) == (now, answer.headers["ETag"])


async def test_an_update_of_another_version_is_refused(gateway):
    added = await add(gateway)
    id_, etag = added.json()["id"], added.headers["ETag"]
    assert etag == '"v1"' == (await gateway.get(f"/customers/{id_}")).headers["ETag"]
    changed = await change(gateway, id_, {"name": "A"}, etag)
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"v2"')
    stale = await change(gateway, id_, {"name": "B"}, etag)
    assert code(stale) == (412, "precondition_failed")
    assert code(await change(gateway, id_, {"name": "B"}, "v2")) == (422, "invalid_request")
    assert (await gateway.get(f"/customers/{id_}")).json()["name"] == "A"
    assert (await change(gateway, id_, {"name": "B"}, "*")).headers["ETag"] == '"v3"'


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"name": ""}, "name"),
        ({"email": "nobody"}, "email"),
        ({"vpa": "nobody"}, "vpa"),
        ({"nickname": "R"}, "nickname"),
        ({"phone": 98}, "phone"),
    ],
)
async def test_an_update_names_what_is_wrong(gateway, fields, param):
    id_ = (await add(gateway)).json()["id"]
    answer = await change(gateway, id_, fields)
    assert (*code(answer), answer.json()["param"]) == (422, "invalid_request", param)


async def test_erasing_takes_what_is_personal_and_leaves_the_books(gateway, owner_url):
    id_ = (await add(gateway)).json()["id"]
    intent = await gateway.post("/intents", {"amount": 5_00, "customer_id": id_}, key=None)
    paid = await gateway.pay(5_00, customer_id=id_)
    answer = await gateway.post(f"/customers/{id_}/erase", {}, key=None)
    assert answer.status_code == 200, answer.text
    erased = answer.json()
    assert [erased[name] for name in PERSONAL] == [None] * 5
    assert erased["erased_at"] is not None
    stored = await gateway.rows("select * from customers")
    assert not any("rahul" in str(value).lower() for value in stored[0])

    again = await gateway.post(f"/customers/{id_}/erase", {}, key=None)
    assert (again.status_code, again.json()) == (200, erased)
    assert code(await change(gateway, id_, {"name": "Rahul"})) == (409, "conflict")
    shown = await gateway.get(f"/intents/{intent.json()['id']}")
    assert [shown.json()["customer"][name] for name in PERSONAL] == [None] * 5
    assert (await gateway.payment(paid["id"]))["customer_id"] == id_
    assert (await gateway.pay(5_00, customer_id=id_))["status"] == "captured"
    assert (await verify_books(owner_url)).holds


async def test_erasing_may_name_a_version(gateway):
    added = await add(gateway)
    id_ = added.json()["id"]
    await change(gateway, id_, {"name": "A"})
    headers = {"If-Match": added.headers["ETag"]}
    stale = await gateway.post(f"/customers/{id_}/erase", {}, key=None, headers=headers)
    assert code(stale) == (412, "precondition_failed")


async def test_a_customer_is_nobody_elses_business(gateway):
    id_ = (await add(gateway)).json()["id"]
    other = await gateway.another_merchant()
    for answer in (
        await other.get(f"/customers/{id_}"),
        await change(other, id_, {"name": "X"}),
        await other.post(f"/customers/{id_}/erase", {}, key=None),
        await other.get(f"/customers?starting_after={id_}&limit=1"),
    ):
        if answer.status_code == 200:
            assert answer.json()["data"] == []
        else:
            assert code(answer) == (404, "not_found")
    for path in (f"/customers/{id_}", "/customers"):
        answer = await gateway.get(path, headers=gateway.publishable)
        assert code(answer) == (403, "forbidden")
    sent = {"headers": gateway.publishable, "key": None}
    assert code(await gateway.post(f"/customers/{id_}", {}, **sent)) == (403, "forbidden")
    assert code(await gateway.post(f"/customers/{id_}/erase", {}, **sent)) == (403, "forbidden")
    assert (await gateway.get(f"/customers/{id_}")).json()["name"] == "Rahul"
