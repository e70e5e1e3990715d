"""Log lines: JSON, with the request id, without anything that must stay inside."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from online.platform import telemetry
from online.platform.telemetry import HIDDEN, redact


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("card 4242424242424242 declined", "4242424242424242"),
        ("card 4242 4242 4242 4242 declined", "4242 4242"),
        ("card 4242-4242-4242-4242.", "4242-4242"),
        ("amex 378282246310005", "378282246310005"),
        ("payer asha.rao@ybl refused", "asha.rao"),
        ("mail to asha@example.com", "asha@"),
        ("Authorization: Bearer abc.def-ghi", "abc.def"),
        ("token eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "eyJzdWIi"),
        ("secret sk_test_abcdefghijkl", "abcdefghijkl"),
        ("ssec_abcdefghijkl", "abcdefghijkl"),
        ("pi_01h455vb4pex5vsknk084sn02q_secret_abcdef", "abcdef"),
        ("postgresql://khata:hunter2@localhost/db", "hunter2"),
    ],
)
def test_redacted(text: str, hidden: str):
    assert hidden in text
    assert hidden not in redact(text)
    assert HIDDEN in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "pay_01h455vb4pex5vsknk084sn02q captured 499.00",
        "RRN 631512345678",
        "amount 100000000000000",
        "2026-11-16T04:30:00.123456+00:00",
        "request 4c3d1f6e9a4b42c7b1d5f0a2c3e4d5f6",
        "keys key_id=card_encryption-1",
    ],
)
def test_kept(text: str):
    assert redact(text) == text


@pytest.fixture
def lines() -> Iterator[Any]:
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    telemetry.configure("info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def test_values_are_redacted_by_name_and_by_look(lines: Any):
    log = structlog.get_logger("test")
    with structlog.contextvars.bound_contextvars(request_id="req-1"):
        log.info(
            "made",
            client_secret="hunter2",
            signing_key_id="sig_1",
            note="4242424242424242",
            number=4242424242424242,
            nested={"pan": "1234", "list": ["asha@ybl"]},
            count=3,
            missing=None,
        )
        log.debug("not shown")
    (line,) = lines()
    assert line["request_id"] == "req-1"
    assert (line["event"], line["level"]) == ("made", "info")
    assert line["timestamp"].endswith("Z")
    assert line["client_secret"] == line["note"] == line["number"] == HIDDEN
    assert line["nested"] == {"pan": HIDDEN, "list": [f"{HIDDEN}@ybl"]}
    assert (line["signing_key_id"], line["count"], line["missing"]) == ("sig_1", 3, None)


def test_exceptions_have_frames_but_no_values(lines: Any):
    number = "4242424242424242"
    try:
        raise ValueError(f"cannot use {number}")
    except ValueError:
        structlog.get_logger("test").exception("failed", token="abc")
    (line,) = lines()
    assert "test_exceptions_have_frames" in line["exception"]
    assert number not in json.dumps(line)
    assert "abc" not in json.dumps(line)


def test_libraries_log_in_the_same_form(lines: Any):
    logging.getLogger("somebody").warning("payer %s", "asha@ybl")
    logging.getLogger("httpx").info("GET http://rail/asha@ybl")
    (line,) = lines()
    assert (line["logger"], line["event"]) == ("somebody", f"payer {HIDDEN}@ybl")
