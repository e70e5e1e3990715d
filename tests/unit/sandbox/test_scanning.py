"""A payer's app reads the links of others: what it pays, and what it will not."""

import pytest

from online.kernel.errors import InvalidRequest, NotFound
from online.sandbox.links import scan
from online.upi.build import build_upi
from online.upi.service import Purchase
from tests.builders import uid
from tests.unit.sandbox.banking import Desk, upi

TRANSACTION_ID = "KHT" + "A1" * 16


@pytest.fixture
def ours(tmp_path) -> Purchase:
    return Purchase(
        merchant_id=uid("mrc"),
        merchant_name="Chai Point & Söhne",
        mcc="5814",
        amount_minor=5_000,
        reference="att_000001",
        transaction_id=TRANSACTION_ID,
        note="tea & more",
    )


def waiting(desk: Desk, **fields: object) -> str:
    reply = desk.send(
        "upi_hdfc", "authorize", 5_000, upi=upi(None), txn_id=TRANSACTION_ID, **fields
    )
    assert reply.answer is not None
    assert (reply.answer.status, reply.answer.next_action) == ("pending", None)
    assert reply.answer.network_reference == TRANSACTION_ID
    return desk.last


@pytest.mark.parametrize("which", ["intent", "qr"])
def test_it_reads_what_the_gateway_makes(ours: Purchase, which: str, tmp_path) -> None:
    desk = Desk()
    reference = waiting(desk)
    links = build_upi(tmp_path).payment(
        Purchase(
            **{name: getattr(ours, name) for name in ours.__struct_fields__}
            | {"reference": reference}
        )
    )
    scanned = scan(getattr(links, which))
    assert (scanned.reference, scanned.amount_minor) == (reference, 5_000)
    desk.bank.check_scanned(desk.db, scanned)
    rail, answer = desk.bank.payer_acts(desk.db, scanned.reference, approves=True)
    assert (rail, answer.status) == ("upi_hdfc", "approved")


@pytest.mark.parametrize(
    ("old", "new", "param"),
    [
        ("upi://pay", "upi://mandate", "link"),
        ("pa=", "px=", "pa"),
        ("am=50.00", "am=50", "am"),
        ("cu=INR", "cu=USD", "cu"),
        ("tid=KHT", "tid=KH", "tid"),
        ("mc=5814", "mc=", "mc"),
        ("&sign=", "&signed=", "sign"),
        ("orgid=000000", "orgid=", "sign"),
        ("cu=INR", "cu=INR&cu=INR", "link"),
    ],
)
def test_what_it_will_not_read(ours: Purchase, tmp_path, old: str, new: str, param: str) -> None:
    link = build_upi(tmp_path).payment(ours).qr
    assert old in link
    with pytest.raises(InvalidRequest) as refused:
        scan(link.replace(old, new))
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("am=50.00", "am=1.00", InvalidRequest),
        (TRANSACTION_ID, "KHT" + "B2" * 16, NotFound),
    ],
)
def test_what_it_will_not_pay(ours: Purchase, tmp_path, old: str, new: str, error: type) -> None:
    desk = Desk()
    reference = waiting(desk)
    link = build_upi(tmp_path).payment(ours).intent.replace("att_000001", reference)
    desk.bank.check_scanned(desk.db, scan(link))
    with pytest.raises(error):
        desk.bank.check_scanned(desk.db, scan(link.replace(old, new)))
