"""Signed links: whoever has the public key can check one, nobody can change one."""

import base64
import stat
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from online.security.keyfiles import add_key
from online.upi.build import build_upi
from online.upi.keys import FAMILY, load_link_keys
from online.upi.service import Purchase, Upi
from tests.builders import uid


@pytest.fixture
def upi(tmp_path: Path) -> Upi:
    return build_upi(tmp_path)


def bought(**fields: object) -> Purchase:
    usual = {"merchant_id": uid("mrc"), "merchant_name": "Sagar Kirana", "mcc": "5411"}
    return Purchase(**{**usual, "amount_minor": 1_050, **fields})


def test_the_modes_say_that_it_is_signed_and_made_for_one_payment(upi: Upi):
    links = upi.payment(bought(reference="att_1", transaction_id="KHT" + "1" * 32))
    intent, qr, static = (upi.read(text) for text in (*vars_of(links), upi.static(bought())))
    assert [each.link.mode for each in (intent, qr, static)] == ["05", "23", "02"]
    assert [each.mode.dynamic for each in (intent, qr, static)] == [True, True, False]
    assert {each.signature for each in (intent, qr, static)} == {"valid"}
    assert qr.link.am == 1_050
    assert qr.link.tid == "KHT" + "1" * 32


def vars_of(links) -> tuple[str, str]:
    return links.intent, links.qr


def test_the_public_key_alone_checks_it(upi: Upi):
    """As somebody else would: the published point, the text before `&sign=`, ECDSA by hand."""
    text = upi.static(bought())
    (jwk,) = upi.keys.jwks
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=")) for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    before, _, sign = text.partition("&sign=")
    public.verify(base64.b64decode(unquote(sign)), before.encode(), ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize(
    ("old", "new"),
    [("am=10.50", "am=1.50"), ("Kirana", "Traders"), ("mode=02", "mode=01"), ("INR", "inr")],
)
def test_a_changed_link_does_not_hold(upi: Upi, old: str, new: str):
    text = upi.static(bought())
    assert old in text
    assert upi.read(text.replace(old, new)).signature == "invalid"


def test_of_another_payee_nothing_is_said(upi: Upi):
    text = "upi://pay?pa=shop@icici&pn=Shop&sign=" + "A" * 96
    assert upi.read(text).signature == "not_ours"
    assert upi.read("upi://pay?pa=shop@khata&pn=Shop&sign=" + "A" * 96).signature == "invalid"
    assert upi.read("upi://pay?pa=shop@khata&pn=Shop").signature == "none"


def test_the_same_link_is_signed_the_same(upi: Upi):
    assert upi.static(bought()) == upi.static(bought())


def test_a_link_of_the_key_before_still_holds(tmp_path: Path):
    before = build_upi(tmp_path)
    text = before.static(bought())
    add_key(tmp_path / "upi_link_signing.key", FAMILY, keep=2)
    after = build_upi(tmp_path)
    assert after.read(text).signature == "valid"
    assert after.static(bought()) != text
    assert len(after.keys.jwks) == 2
    assert after.keys.jwks[0] == before.keys.jwks[0]


def test_the_key_is_its_owner_s_alone(tmp_path: Path):
    load_link_keys(tmp_path)
    mode = (tmp_path / "upi_link_signing.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_the_key_s_name_is_its_thumbprint(upi: Upi):
    """RFC 7638: the required members in lexical order."""
    (jwk,) = upi.keys.jwks
    text = '{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}'.format(**jwk)
    digest = base64.urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
    assert jwk["kid"] == digest
