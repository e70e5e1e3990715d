"""Malformed input is refused with the field named, whatever it is."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.kernel.errors import InvalidRequest
from online.sandbox import wire
from online.sandbox.rails import RAILS

GOOD: dict[str, Any] = {
    "reference": "att_01h455vb4pex5vsknk084sn02q",
    "amount": 12_345,
    "currency": "INR",
    "capture": True,
    "upi": {"flow": "intent", "payer_vpa": "ravi@ybl", "payee_vpa": "khata@hdfcbank", "note": ""},
}


def _refused(rail: str, operation: str, body: dict[str, Any]) -> str | None:
    try:
        request = wire.decode(json.dumps(body).encode(), wire.OperationRequest)
        wire.check_shape(RAILS[rail], operation, request)  # type: ignore[arg-type]
    except InvalidRequest as refusal:
        return refusal.param
    pytest.fail("not refused")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"reference": "a b c d"}, "reference"),
        ({"amount": 0}, "amount"),
        ({"amount": 2**63}, "amount"),
        ({"amount": 10**400}, "amount"),
        ({"amount": "12"}, "amount"),
        ({"amount": 1.5}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"capture": None}, "capture"),
        ({"surprise": 1}, "surprise"),
        ({"upi": None}, "upi"),
        ({"card": {"pan": "4242424242424242", "exp_month": 12, "exp_year": 2030}}, "card"),
        ({"upi": {**GOOD["upi"], "flow": "psychic"}}, "upi.flow"),
        ({"upi": {**GOOD["upi"], "payer_vpa": "no at sign"}}, "upi.payer_vpa"),
        ({"upi": {"flow": "intent"}}, "upi.payee_vpa"),
        ({"upi": {**GOOD["upi"], "flow": "collect", "payer_vpa": None}}, "upi.payer_vpa"),
        ({"original_reference": "att_before"}, "original_reference"),
    ],
)
def test_the_field_is_named(change: dict[str, Any], param: str) -> None:
    assert _refused("upi_hdfc", "authorize", GOOD | change) == param


CARD = {"pan": "4242424242424242", "exp_month": 12, "exp_year": 2030}
BY_CARD: dict[str, Any] = {
    **{name: GOOD[name] for name in ("reference", "amount", "currency")},
    "card": CARD,
}


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"card": {**CARD, "cvc": "12"}}, "card.cvc"),
        ({"card": {**CARD, "cvc": "123\n"}}, "card.cvc"),
        ({"card": {**CARD, "cryptogram": "not base64"}}, "card.cryptogram"),
        ({"card": {**CARD, "eci": "5"}}, "card.eci"),
        ({"card": {**CARD, "pin": "1234"}}, "card.pin"),
        ({"return_url": "javascript:alert(1)"}, "return_url"),
        ({"return_url": "https://shop.example/ x"}, "return_url"),
        ({"return_url": "https://shop.example/\n"}, "return_url"),
        ({"return_url": "https://" + "x" * 2_100}, "return_url"),
    ],
)
def test_the_field_of_a_card_payment_is_named(change: dict[str, Any], param: str) -> None:
    assert _refused("card_a", "authorize", BY_CARD | change) == param


def test_a_card_does_not_show() -> None:
    raw = json.dumps(BY_CARD | {"card": {**CARD, "cvc": "937"}}).encode()
    request = wire.decode(raw, wire.OperationRequest)
    for secret in ("937", "4242"):
        assert secret not in repr(request)


@pytest.mark.parametrize(
    ("rail", "operation", "param"),
    [
        ("card_a", "authorize", "upi"),
        ("upi_hdfc", "refund", "original_reference"),
        ("upi_hdfc", "reverse", "original_reference"),
        ("bank_hdfc", "reverse", "operation"),
        ("upi_hdfc", "payout", "operation"),
        ("bank_hdfc", "authorize", "operation"),
        ("bank_hdfc", "payout", "upi"),
    ],
)
def test_an_operation_takes_its_own_part_alone(rail: str, operation: str, param: str) -> None:
    assert _refused(rail, operation, GOOD) == param


def test_a_beneficiary_cannot_break_the_statement() -> None:
    part = {"account": "919020000001", "ifsc": "UTIB0000123", "name": "Sagar\x00Kirana"}
    body = {"reference": "att_one", "amount": 5, "currency": "INR", "beneficiary": part}
    assert _refused("bank_hdfc", "payout", body) == "beneficiary.name"


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        wire.decode(raw, wire.OperationRequest)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(field=st.sampled_from(sorted(GOOD)), value=_JSON)
def test_any_value_in_any_field_is_read_or_refused(field: str, value: object) -> None:
    raw = json.dumps(GOOD | {field: value}).encode()
    with contextlib.suppress(InvalidRequest):
        request = wire.decode(raw, wire.OperationRequest)
        wire.check_shape(RAILS["upi_hdfc"], "authorize", request)
