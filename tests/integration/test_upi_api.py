"""UPI over HTTP: links and codes of payments, collect, deemed approvals, what codes mean."""

import io
import re
from datetime import timedelta

import pytest

from online.operations.verify import verify_books
from tests.callbacks import body_of, tell
from tests.gateways import Gateway, gateway_on, settings_for, upi

pytestmark = pytest.mark.anyio

WAITS = 1_100_05  # of the sandbox's magic amounts: pending, then done
TRANSACTION_ID = r"KHT[0-9A-F]{32}"


@pytest.fixture
async def gateway(database_url, owner_url, tmp_path):
    async with gateway_on(settings_for(database_url, tmp_path)) as opened:
        yield opened
        report = await verify_books(owner_url)
        assert report.holds, report


async def parsed(gateway: Gateway, link: str):
    answer = await gateway.post("/upi/links/parse", {"link": link}, key=None)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(("flow", "type_"), [("intent", "upi_intent"), ("qr", "upi_qr")])
async def test_a_payer_who_has_to_act_gets_signed_links(gateway: Gateway, flow: str, type_: str):
    payment = await gateway.pay(WAITS, {"type": "upi", "upi": {"flow": flow}})
    assert (payment["status"], payment["flow"]) == ("requires_action", flow)
    action = payment["next_action"]
    assert action["type"] == type_
    link, qr = [await parsed(gateway, action[name]) for name in ("link", "qr")]
    assert (link["mode"], qr["mode"]) == ("05", "23")
    for each in (link, qr):
        assert each["signature"] == "valid"
        assert each["pa"] == f"{payment['merchant_id']}@khata"
        assert (each["pn"], each["mc"], each["am"]) == ("Chai Point", "5814", WAITS)
        assert each["tid"] == payment["upi_transaction_id"]
        assert each["tr"].startswith("att_")
        assert each["dynamic"] is True
    assert re.fullmatch(TRANSACTION_ID, payment["upi_transaction_id"])
    cheaper = await parsed(gateway, action["qr"].replace("am=1100.05", "am=1.00"))
    assert cheaper["signature"] == "invalid"


async def test_the_picture_of_a_payment(gateway: Gateway):
    payment = await gateway.pay(WAITS, {"type": "upi", "upi": {"flow": "qr"}})
    url = f"/payments/{payment['id']}/qr"
    svg = await gateway.get(url)
    assert svg.status_code == 200
    assert svg.headers["content-type"].startswith("image/svg+xml")
    assert b"<svg" in svg.content
    png = await gateway.get(f"{url}?format=png&scale=3")
    assert png.headers["content-type"] == "image/png"
    zxingcpp = pytest.importorskip("zxingcpp", reason="the QR reader of the dev requirements")
    image = pytest.importorskip("PIL.Image", reason="pictures for the QR reader")
    (found,) = zxingcpp.read_barcodes(image.open(io.BytesIO(png.content)).convert("L"))
    assert found.text == payment["next_action"]["qr"]
    other = await gateway.another_merchant()
    assert (await other.get(url)).status_code == 404
    done = await gateway.pay(500_00, upi("asha@khata"))
    refused = await gateway.get(f"/payments/{done['id']}/qr")
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")


@pytest.mark.parametrize("url", ["/upi/qr", "/upi/qr?amount=5000&note=Tea&format=png&scale=2"])
async def test_the_picture_of_a_merchant(gateway: Gateway, url: str):
    answer = await gateway.get(url)
    assert answer.status_code == 200
    kind = "image/png" if "png" in url else "image/svg+xml"
    assert answer.headers["content-type"].startswith(kind)


async def test_a_link_that_is_good_for_any_number(gateway: Gateway):
    made = await gateway.post("/upi/links", {"note": "Table 7", "reference": "T7"}, key=None)
    assert made.status_code == 200, made.text
    link = made.json()
    assert (link["mode"], link["am"], link["tn"], link["tr"]) == ("02", None, "Table 7", "T7")
    assert link["signature"] == "valid"
    assert not link["dynamic"]


@pytest.mark.parametrize(
    ("link", "param"),
    [("upi://pay?pn=Asha", "pa"), ("upi://pay?pa=a.b@upi&am=1.005", "am"), ("bitcoin:1", "link")],
)
async def test_a_wrong_link_is_refused_by_name(gateway: Gateway, link: str, param: str):
    answer = await gateway.post("/upi/links/parse", {"link": link}, key=None)
    assert answer.status_code == 422
    assert (answer.json()["code"], answer.json()["param"]) == ("invalid_link", param)


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"vpa": "asha@khata"}, 422, "payment_method.upi.flow"),
        ({"vpa": "asha@khata", "platform": "android"}, 422, "payment_method.upi.flow"),
        ({"platform": "ios"}, 422, "payment_method.upi.vpa"),
        ({"vpa": "asha@khata", "platform": "ios"}, 201, None),
    ],
)
async def test_collect(gateway: Gateway, fields: dict, status: int, param: str | None):
    method = {"type": "upi", "upi": {"flow": "collect", **fields}}
    answer = await gateway.post("/payments", {"amount": 5_000, "payment_method": method})
    assert answer.status_code == status, answer.text
    if param is not None:
        assert answer.json()["param"] == param
        assert await gateway.scalar("select count(*) from payments") == 0


async def test_the_keys_are_anybody_s(gateway: Gateway):
    answer = await gateway.client.get("/api/v1/upi/keys")
    assert answer.status_code == 200
    (key,) = answer.json()["keys"]
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")


async def test_what_codes_mean(gateway: Gateway):
    page = (await gateway.get("/upi/response-codes?limit=2")).json()
    assert page["has_more"] is True
    after = page["data"][-1]["code"]
    rest = (await gateway.get(f"/upi/response-codes?starting_after={after}")).json()
    codes = {each["code"]: each for each in (*page["data"], *rest["data"])}
    assert rest["has_more"] is False
    assert len(codes) > 50
    assert codes["Z9"]["type"] == "business"
    assert (codes["Z9"]["retryable"], codes["Z9"]["terminal"]) == (True, True)
    assert (codes["RB"]["type"], codes["RB"]["valid_from"]) == ("deemed", "2025-06-30")
    before = (await gateway.get("/upi/response-codes?on=2025-06-29&type=unknown")).json()
    (row,) = (each for each in before["data"] if each["code"] == "RB")
    assert (row["terminal"], row["valid_to"]) == (False, "2025-06-29")


async def test_a_deemed_payment_is_told_and_confirmed_by_a_callback(gateway: Gateway):
    payment = await gateway.pay(500_00, upi("deemed@khata"))
    assert (payment["status"], payment["deemed"]) == ("captured", True)
    assert payment["reversal_reason"] is None
    waiting = await gateway.get("/attempts?status=deemed", headers=await staff(gateway))
    (attempt,) = waiting.json()["data"]
    assert (attempt["why"], attempt["code"]) == ("awaiting_bank", "RB")
    told = body_of(attempt["id"], status="approved", code="TCC")
    answer = await tell(gateway.services, gateway.client, payment["rail"], told)
    assert answer.status_code < 300
    payment = await gateway.payment(payment["id"])
    assert (payment["status"], payment["deemed"]) == ("captured", False)


async def test_a_deemed_payment_that_the_bank_sends_back(gateway: Gateway):
    payment = await gateway.pay(500_00, upi("debit_returned@khata"))
    assert (payment["status"], payment["deemed"]) == ("captured", True)
    assert payment["rrn"] == payment["rail_reference"]
    assert await gateway.recover(timedelta(days=1)) == 1
    await gateway.sign_in()
    payment = await gateway.payment(payment["id"])
    assert (payment["status"], payment["deemed"]) == ("reversed", False)
    assert payment["reversal_reason"] == "returned_by_bank"
    assert payment["amount_reversed"] == 500_00
    assert payment["amount_refundable"] == 0


async def test_a_refund_has_an_id_of_its_own(gateway: Gateway):
    payment = await gateway.pay(500_00, upi("asha@khata"))
    answer = await gateway.post("/refunds", {"payment": payment["id"], "amount": 100_00})
    refund = answer.json()
    assert answer.status_code == 201, answer.text
    assert refund["upi_transaction_id"] != payment["upi_transaction_id"]
    assert refund["upi_transaction_id"].startswith("KHT")
    assert refund["rrn"] == refund["rail_reference"]


async def staff(gateway: Gateway):
    return await gateway.credentials("attempts:read")
