"""Cards: which numbers and dates pass, and that a number never shows."""

import copy
import json
import pickle
from datetime import date
from uuid import UUID

import msgspec
import pytest

from online.kernel.errors import InvalidRequest
from online.rails.domain import CardReference
from online.vault.domain import (
    Card,
    CardSecret,
    Cryptogram,
    Pan,
    SecurityCode,
    check_cvc,
    check_expiry,
    check_proof,
    network_of,
    read_pan,
)

TODAY = date(2026, 11, 16)


@pytest.mark.parametrize(
    ("number", "network"),
    [
        ("4242424242424242", "visa"),
        ("5555555555554444", "mastercard"),
        ("2223003122003222", "mastercard"),
        ("378282246310005", "amex"),
        ("6070000000000001", "rupay"),
        ("6521111111111117", "rupay"),
        ("8100000000000009", "rupay"),
        ("5081000000000003", "rupay"),
        ("30569309025904", "diners"),
        ("36227206271667", "diners"),
        ("3530111333300000", "jcb"),
        ("3566002020360505", "jcb"),
        ("3569990010030400", "jcb"),
        ("5000000000000009", "maestro"),
        ("9999999999999995", "unknown"),
    ],
)
def test_networks(number: str, network: str):
    assert network_of(number) == network


@pytest.mark.parametrize(
    "number",
    ["4242424242424242", "4242 4242 4242 4242", "4242-4242-4242-4242", "378282246310005"],
)
def test_good_numbers(number: str):
    pan = read_pan(number)
    assert pan.reveal() == number.replace(" ", "").replace("-", "")
    assert (pan.first6, pan.last4) == (pan.reveal()[:6], pan.reveal()[-4:])


@pytest.mark.parametrize(
    "number",
    [
        "4242424242424241",  # check digit
        "424242424242",  # too short for its network
        "37828224631000",  # the same, amex
        "42424242424",  # eleven digits
        "42424242424242424242",  # twenty
        "4242x42424242424",
        "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢",  # digits, but not ours
        "",
        " - ",
    ],
)
def test_bad_numbers_are_named_and_not_repeated(number: str):
    with pytest.raises(InvalidRequest) as caught:
        read_pan(number)
    assert caught.value.param == "number"
    assert not number.strip(" -") or number not in str(caught.value)


@pytest.mark.parametrize("number", ["4000000000006702", "4000000000006801"])
def test_the_sandbox_magic_numbers_are_ordinary_numbers(number: str):
    assert read_pan(number).reveal() == number


@pytest.mark.parametrize(
    ("month", "year", "param"),
    [
        (11, 2026, None),  # good to the end of its month
        (12, 2046, None),
        (10, 2026, "exp_month"),
        (12, 2025, "exp_year"),
        (1, 2047, "exp_year"),
        (13, 2030, "exp_month"),
        (0, 2030, "exp_month"),
        (1, 30, "exp_year"),
    ],
)
def test_expiry(month: int, year: int, param: str | None):
    if param is None:
        check_expiry(month, year, TODAY)
        return
    with pytest.raises(InvalidRequest) as caught:
        check_expiry(month, year, TODAY)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("cvc", "network", "good"),
    [
        (None, "visa", True),
        ("123", "visa", True),
        ("1234", "amex", True),
        ("1234", "visa", False),
        ("123", "amex", False),
        ("12", "visa", False),
        ("12a", "visa", False),
        ("", "visa", False),
        ("١٢٣", "visa", False),  # digits, but not ours
    ],
)
def test_security_code(cvc: str | None, network: str, good: bool):
    if good:
        check_cvc(cvc, network)
        return
    with pytest.raises(InvalidRequest) as caught:
        check_cvc(cvc, network)
    assert caught.value.param == "cvc"


@pytest.mark.parametrize(
    ("kind", "network", "cryptogram", "eci", "param"),
    [
        ("card", "visa", None, None, None),
        ("card", "visa", "AJkBAAAAAAAAAAAAAAAAAAAAAAAA", None, "card.cryptogram"),
        ("card", "visa", None, "05", "card.eci"),
        ("network_token", "visa", "AJkBAAAAAAAAAAAAAAAAAAAAAAAA", None, None),
        ("network_token", "visa", "AJkBAAAAAAAAAAAAAAAAAAAAAAAA", "05", None),
        ("network_token", "rupay", "AJkBAAAAAAAAAAAAAAAAAAAAAAAA", "07", None),
        ("network_token", "visa", "AJkBAAAAAAAAAAAAAAAAAAAAAAAA", "02", "card.eci"),
        ("network_token", "mastercard", "AJkBAAAAAAAAAAAAAAAAAAAAAAAA", "02", None),
        ("network_token", "mastercard", "AJkBAAAAAAAAAAAAAAAAAAAAAAAA", "05", "card.eci"),
        ("network_token", "visa", None, None, "card.cryptogram"),
        ("network_token", "visa", None, "05", "card.cryptogram"),
    ],
)
def test_a_network_token_comes_with_a_cryptogram_and_a_card_without(
    kind: str, network: str, cryptogram: str | None, eci: str | None, param: str | None
):
    if param is None:
        check_proof(kind, network, cryptogram=cryptogram, eci=eci, param="card")
        return
    with pytest.raises(InvalidRequest) as caught:
        check_proof(kind, network, cryptogram=cryptogram, eci=eci, param="card")
    assert caught.value.param == param
    assert cryptogram is None or cryptogram not in str(caught.value)


@pytest.mark.parametrize(
    "secret", [Pan("4242424242424242"), SecurityCode("123"), Cryptogram("AJkBAAAAAAAA")]
)
def test_a_secret_does_not_show(secret: CardSecret):
    text = secret.reveal()
    holder = CardReference(
        token_id=UUID(int=1), merchant_id=UUID(int=2), cvc=secret, cryptogram=secret
    )
    for shown in (secret, [secret], {"x": secret}, holder):
        assert text not in f"{shown!r} {shown!s} {shown}"
        with pytest.raises(TypeError):
            pickle.dumps(shown)
        with pytest.raises(TypeError):
            copy.deepcopy(shown)
        with pytest.raises(TypeError):
            msgspec.json.encode(shown)
        with pytest.raises(TypeError):
            json.dumps(shown)
    assert not hasattr(secret, "__dict__")
    assert secret != type(secret)(text)


def test_a_number_does_not_show():
    pan = Pan("4242424242424242")
    card = Card(pan=pan, exp_month=1, exp_year=2030)
    for text in (repr(pan), str(pan), f"{pan}", repr(card), str(card), repr([card]), f"{card!r}"):
        assert "4242" not in text
    with pytest.raises(TypeError):
        pickle.dumps(pan)
    assert not hasattr(pan, "__dict__")
