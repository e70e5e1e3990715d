"""Signatures of rails: the vectors of docs/rails.md, and that every byte counts."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.callbacks.signature import TOLERANCE_S, Refusal, check, parse, sign
from online.platform.settings import ROOT
from online.sandbox import callbacks as sandbox

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
SECRETS = {1: b"old" * 11, 2: b"new" * 11}


def header(body: bytes, *secrets: bytes, at: datetime = AT) -> str:
    timestamp = str(int(at.timestamp()))
    return ",".join([f"t={timestamp}", *(f"v1={sign(s, timestamp, body)}" for s in secrets)])


def test_the_vectors_of_the_documentation():
    text = (ROOT / "docs" / "rails.md").read_text("utf-8")
    row = r"^\| `([0-9a-f]+)` \| `(\d+)` \| `(.*)` \| `([0-9a-f]{64})` \|$"
    rows = re.findall(row, text, re.MULTILINE)
    assert len(rows) >= 3
    for secret, timestamp, body, digest in rows:
        assert sign(bytes.fromhex(secret), timestamp, body.encode()) == digest


@given(st.binary(max_size=300), st.binary(min_size=16, max_size=64))
def test_the_sandbox_and_the_service_sign_alike(body: bytes, secret: bytes):
    assert check(sandbox.signature(secret, AT, body), body, {1: secret}, AT) == 1


@pytest.mark.parametrize("seconds", [-TOLERANCE_S, -1, 0, 1, TOLERANCE_S])
def test_within_the_tolerance_either_way(seconds: int):
    now = AT + timedelta(seconds=seconds)
    assert check(header(b"x", SECRETS[2]), b"x", SECRETS, now) == 2


@pytest.mark.parametrize("seconds", [-TOLERANCE_S - 1, TOLERANCE_S + 1, 10**9])
def test_outside_of_it(seconds: int):
    now = AT + timedelta(seconds=seconds)
    assert check(header(b"x", SECRETS[2]), b"x", SECRETS, now) is Refusal.STALE


def test_either_secret_and_either_place():
    stranger = b"x" * 32
    assert check(header(b"x", SECRETS[1]), b"x", SECRETS, AT) == 1
    assert check(header(b"x", SECRETS[1], SECRETS[2]), b"x", SECRETS, AT) == 2
    assert check(header(b"x", stranger, SECRETS[1]), b"x", SECRETS, AT) == 1
    assert check(header(b"x", stranger, stranger), b"x", SECRETS, AT) is Refusal.WRONG
    assert check(None, b"x", SECRETS, AT) is Refusal.MISSING


def test_a_wrong_signature_of_another_time_is_wrong():
    """Nobody learns that a stale one was right, nor the other way round."""
    late = AT + timedelta(days=1)
    assert check(header(b"x", b"y" * 32), b"x", SECRETS, late) is Refusal.WRONG


@given(st.data(), st.binary(min_size=1, max_size=200))
def test_any_changed_byte_of_the_body_is_refused(data: st.DataObject, body: bytes):
    place = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.integers(1, 255))
    changed = body[:place] + bytes([body[place] ^ other]) + body[place + 1 :]
    assert check(header(body, SECRETS[2]), changed, SECRETS, AT) is Refusal.WRONG
    assert check(header(body, SECRETS[2]), body[:place], SECRETS, AT) is Refusal.WRONG
    assert check(header(body, SECRETS[2]), body + body[place:], SECRETS, AT) is Refusal.WRONG


@given(st.data())
def test_any_changed_byte_of_the_header_is_refused(data: st.DataObject):
    good = header(b"body", SECRETS[2]).encode()
    place = data.draw(st.integers(0, len(good) - 1))
    other = data.draw(st.integers(1, 255))
    changed = good[:place] + bytes([good[place] ^ other]) + good[place + 1 :]
    found = check(changed.decode("latin-1"), b"body", SECRETS, AT)
    assert found in (Refusal.MALFORMED, Refusal.WRONG)


@given(st.text(max_size=200))
def test_no_text_is_read_for_a_header_that_it_is_not(text: str):
    parsed = parse(text)
    if parsed is not None:
        assert text == ",".join([f"t={parsed.timestamp}", *(f"v1={d}" for d in parsed.digests)])


@pytest.mark.parametrize("timestamp", ["-1", "1.5", "9" * 13, "", "٣", " 1", "+1"])
def test_a_time_is_plain_digits(timestamp: str):
    assert parse(f"t={timestamp},v1={'0' * 64}") is None
