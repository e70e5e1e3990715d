"""Request signatures: vectors that other implementations can check, and the replay window."""

import hashlib
import hmac

import pytest

from online.security.signatures import NonceMemory, canonical, holds, parse_header, sign

SECRET = "ssec_b7pQ0m2H5xw8nq3v6yZcUeXgRkTdLaSf"
BODY = b'{"amount":49900,"currency":"INR"}'


def test_canonical_text_is_byte_for_byte_what_the_documentation_says():
    text = canonical(
        timestamp=1795000000,
        nonce="5d41402abc4b2a76",
        method="post",
        target=b"/api/v1/payments?expand=risk%2Cledger",
        body=BODY,
        idempotency_key="order-42",
    )
    assert text == (
        b"v1\n1795000000\n5d41402abc4b2a76\nPOST\n/api/v1/payments?expand=risk%2Cledger\n"
        + hashlib.sha256(BODY).hexdigest().encode()
        + b"\norder-42"
    )


@pytest.mark.parametrize(
    ("method", "target", "body", "key", "expected"),
    [
        (
            "POST",
            b"/api/v1/payments",
            BODY,
            "order-42",
            "4c0021054a3bf2946cc34a53ada13b8adf5c5c5bca73d3cccb27bc44383401fe",
        ),
        (
            "GET",
            b"/api/v1/payments/pay_1?a=1&a=2",
            b"",
            "",
            "90565000e6705439a4f737742c69d30fa09b804988744efe6f4b17d5826145dd",
        ),
    ],
)
def test_vectors(method: str, target: bytes, body: bytes, key: str, expected: str):
    text = canonical(
        timestamp=1795000000,
        nonce="5d41402abc4b2a76",
        method=method,
        target=target,
        body=body,
        idempotency_key=key,
    )
    signature = sign(SECRET, text)
    assert signature == hmac.new(SECRET.encode(), text, "sha256").hexdigest()
    assert signature == expected
    assert holds(SECRET, text, (signature,))


@pytest.mark.parametrize("part", ["timestamp", "nonce", "method", "target", "body", "key"])
def test_every_part_is_signed(part: str):
    parts = {
        "timestamp": 1795000000,
        "nonce": "5d41402abc4b2a76",
        "method": "POST",
        "target": b"/api/v1/refunds",
        "body": BODY,
        "idempotency_key": "k",
    }
    signature = sign(SECRET, canonical(**parts))  # type: ignore[arg-type]
    other = {
        "timestamp": 1795000001,
        "nonce": "5d41402abc4b2a77",
        "method": "PUT",
        "target": b"/api/v1/refunds/",
        "body": BODY + b" ",
        "key": "K",
    }[part]
    parts["idempotency_key" if part == "key" else part] = other
    assert not holds(SECRET, canonical(**parts), (signature,))  # type: ignore[arg-type]


def test_either_of_two_signatures_may_hold_while_keys_change():
    assert holds(SECRET, b"x", ("0" * 64, sign(SECRET, b"x")))
    assert not holds(SECRET, b"x", ("0" * 64, "1" * 64))


@pytest.mark.parametrize(
    ("text", "readable"),
    [
        (f"t=1,n=abcdefgh,kid=sig_1,v1={'a' * 64}", True),
        (f"t=1, n=abcdefgh, kid=sig_1, v1={'a' * 64}", True),
        (f"t=1,n=abcdefgh,kid=sig_1,v1={'a' * 64},v1={'b' * 64}", True),
        (f"t=1,n=abcdefgh,kid=sig_1,v1={'a' * 64},v2=future", True),
        (f"t=1,n=abcdefgh,kid=sig_1,v1={'a' * 63}", False),
        (f"t=1,n=abcdefgh,kid=sig_1,v1={'A' * 64}", False),
        (f"t=1,n=abcdefgh,kid=sig_1,{','.join(['v1=' + 'a' * 64] * 3)}", False),
        (f"t=1,t=2,n=abcdefgh,kid=sig_1,v1={'a' * 64}", False),
        (f"t=-1,n=abcdefgh,kid=sig_1,v1={'a' * 64}", False),
        (f"t=1.5,n=abcdefgh,kid=sig_1,v1={'a' * 64}", False),
        (f"t=9999999999999,n=abcdefgh,kid=sig_1,v1={'a' * 64}", False),
        (f"t=1,n=short,kid=sig_1,v1={'a' * 64}", False),
        (f"t=1,n={'x' * 65},kid=sig_1,v1={'a' * 64}", False),
        (f"n=abcdefgh,kid=sig_1,v1={'a' * 64}", False),
        ("t=1,n=abcdefgh,kid=sig_1", False),
        ("t=1,n=abcdefgh,kid=sig 1,v1=x", False),
        ("", False),
        ("nonsense", False),
        ("t=1,,n=abcdefgh", False),
        ("t=٣,n=abcdefgh,kid=sig_1,v1=" + "a" * 64, False),
    ],
)
def test_header(text: str, readable: bool):
    assert (parse_header(text) is not None) is readable


def test_a_nonce_is_good_once_for_its_key():
    seen = NonceMemory()
    assert seen.is_new("key-1", "nonce", 1000)
    assert not seen.is_new("key-1", "nonce", 1599)
    assert seen.is_new("key-2", "nonce", 1599)
    assert seen.is_new("key-1", "nonce", 1601), "outside both windows its time is refused anyway"
