"""Keys and signatures of devices."""

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from online.devices.proofs import canonical_pem, holds, read_public_key
from online.kernel.errors import InvalidRequest

TEXT = b"khata-device-link.v1.dev_x.nonce"
SHA256 = ec.ECDSA(hashes.SHA256())


def pem(private) -> str:
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()  # fmt: skip


def test_ed25519():
    private = Ed25519PrivateKey.generate()
    key = read_public_key(pem(private))
    assert holds(key, private.sign(TEXT), TEXT)
    assert not holds(key, private.sign(TEXT), TEXT + b".")
    assert not holds(key, Ed25519PrivateKey.generate().sign(TEXT), TEXT)
    assert not holds(key, b"short", TEXT)


def test_p256_as_phones_and_as_browsers_sign():
    private = ec.generate_private_key(ec.SECP256R1())
    key = read_public_key(pem(private))
    der = private.sign(TEXT, SHA256)
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(32) + s.to_bytes(32)
    assert holds(key, der, TEXT)
    assert holds(key, raw, TEXT)
    for wrong in (raw[:-1], raw[::-1], b"\x00" * 64, der[:-1], b""):
        assert not holds(key, wrong, TEXT)


def test_the_same_key_has_one_text():
    private = ec.generate_private_key(ec.SECP256R1())
    text = pem(private)
    assert canonical_pem(read_public_key(text.replace("\n", "\r\n") + "\n\n")) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\n????\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        pem(rsa.generate_private_key(public_exponent=65537, key_size=2048)),
        pem(ec.generate_private_key(ec.SECP384R1())),
    ],
)
def test_any_other_key_is_refused(text):
    with pytest.raises(InvalidRequest) as refused:
        read_public_key(text)
    assert refused.value.param == "public_key"
