"""The rail in the process ends each behaviour as the sandbox does."""

import pytest

from online.rails import magic
from online.rails.domain import (
    AuthorizeRequest,
    Outcome,
    OutcomeKind,
    RefundRequest,
    Upi,
)
from online.rails.in_process import InProcessRail

pytestmark = pytest.mark.anyio
K = OutcomeKind
# Behaviour → first answer, then what enquiries learn one after the other.
EXPECTED = {
    "approve": (K.APPROVED, K.APPROVED),
    "decline": (K.DECLINED, K.DECLINED),
    "insufficient_funds": (K.DECLINED, K.DECLINED),
    "technical_decline": (K.FAILED, K.FAILED),
    "pending_then_success": (K.PENDING, K.APPROVED),
    "pending_then_decline": (K.PENDING, K.DECLINED),
    "timeout_then_success": (K.UNKNOWN, K.NOT_FOUND, K.APPROVED, K.APPROVED),
    "timeout_then_decline": (K.UNKNOWN, K.NOT_FOUND, K.DECLINED, K.DECLINED),
    "success_then_timeout": (K.UNKNOWN, K.APPROVED),
    "decline_then_timeout": (K.UNKNOWN, K.DECLINED),
    "lost": (K.UNKNOWN, K.NOT_FOUND, K.NOT_FOUND),
    "late_success_after_failure": (K.FAILED, K.APPROVED),
    "callback_duplicate": (K.PENDING, K.APPROVED),
    "callback_out_of_order": (K.PENDING, K.APPROVED),
    "callback_lost": (K.PENDING, K.APPROVED),
    "enquiry_fails": (K.UNKNOWN, K.UNKNOWN, K.UNKNOWN, K.APPROVED, K.APPROVED),
    "debit_without_credit": (K.DEEMED, K.APPROVED),
    "debit_returned": (K.DEEMED, K.DECLINED),
    "connection_reset": (K.UNKNOWN, K.APPROVED),
    "bad_answer": (K.UNKNOWN, K.APPROVED),
    "slow": (K.APPROVED, K.APPROVED),
    "deemed": (K.DEEMED, K.DEEMED),
}


# What is done to a payment is never deemed: nobody told anybody that it was a success.
AFTERWARDS = {
    ("debit_without_credit", "upi"): (K.DEEMED, K.APPROVED),
    ("debit_without_credit", "card"): (K.UNKNOWN, K.APPROVED),
    ("debit_returned", "upi"): (K.DEEMED, K.FAILED),
    ("debit_returned", "card"): (K.UNKNOWN, K.FAILED),
    ("deemed", "upi"): (K.DEEMED, K.APPROVED),
    ("deemed", "card"): (K.UNKNOWN, K.APPROVED),
}


async def learnt(rail: InProcessRail, first: Outcome, reference: str, times: int) -> list[K]:
    return [first.kind, *[(await rail.enquire(reference)).kind for _ in range(times)]]


@pytest.mark.parametrize("name", magic.BEHAVIOURS)
async def test_a_payment(name: str):
    rail = InProcessRail("upi_hdfc", dialect="upi")
    upi = Upi(flow="collect", payee_vpa="khata@hdfc", payer_vpa=f"{name}@khata")
    first = await rail.authorize(
        AuthorizeRequest(reference="att_1", amount_minor=500, currency="INR", capture=True, upi=upi)
    )
    expected = EXPECTED[name]
    assert await learnt(rail, first, "att_1", len(expected) - 1) == list(expected)


@pytest.mark.parametrize("dialect", ["upi", "card"])
@pytest.mark.parametrize("name", magic.BEHAVIOURS)
async def test_a_refund(name: str, dialect: str):
    rail = InProcessRail("any", dialect=dialect)  # type: ignore[arg-type]
    amount = 110_100 + magic.BEHAVIOURS[name].number
    first = await rail.refund(
        RefundRequest(
            reference="att_2", original_reference="att_1", amount_minor=amount, currency="INR"
        )
    )
    expected = AFTERWARDS.get((name, dialect), EXPECTED[name])
    assert await learnt(rail, first, "att_2", len(expected) - 1) == list(expected)


async def test_somebody_decides_what_is_deemed():
    rail = InProcessRail("upi_hdfc", dialect="upi")
    upi = Upi(flow="intent", payee_vpa="khata@hdfc", payer_vpa="deemed@khata")
    asked = AuthorizeRequest(
        reference="att_1", amount_minor=500, currency="INR", capture=True, upi=upi
    )
    assert (await rail.authorize(asked)).kind is K.DEEMED
    rail.end_deemed("att_1", returned=True)
    assert (await rail.enquire("att_1")).code == "RET"
