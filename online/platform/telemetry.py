"""Logs: one JSON line each, with the request's id, and nothing in them that must stay inside.

Belongs here: how a line is written and what is taken out of it. Does not: what is worth logging.
Redaction is the last line of defence: code does not log card numbers or secrets to begin with.
"""

import logging
import re
import sys
import traceback
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, TextIO

import msgspec
import structlog

HIDDEN: Final = "[redacted]"

_SECRET_KEY = re.compile(
    r"secret|password|passwd|token|authorization|signature|api_?key|cvc|cvv|cryptogram|\bpan\b|pin\b"
    r"|private_key|cookie",
    re.IGNORECASE,
)
# Ids of things that merely contain one of those words.
_NOT_SECRET: Final = frozenset({"token_id", "token_type", "signing_key_id", "requires_signature"})

_DIGITS = re.compile(r"(?<![0-9A-Za-z])(?:[0-9][ -]?){11,18}[0-9](?![0-9A-Za-z])")
_VPA = re.compile(r"([A-Za-z0-9._-]{1,255})@([A-Za-z][A-Za-z0-9.-]{1,63})")
_CREDENTIAL = re.compile(
    r"(Bearer\s+)[^\s\"']+"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*"
    r"|\b(?:sk|rsk|whsec|ssec)_[A-Za-z0-9_-]{8,}"
    r"|\bpi_[0-9a-z]{26}_secret_[A-Za-z0-9_-]+",
)
_URL_PASSWORD = re.compile(r"(\w+://[^:/@\s]+:)[^@/\s]+@")


def redact(text: str) -> str:
    """`text` without card numbers, VPA local parts, tokens and passwords in addresses."""
    text = _CREDENTIAL.sub(lambda match: f"{match[1] or ''}{HIDDEN}", text)
    text = _URL_PASSWORD.sub(rf"\1{HIDDEN}@", text)
    text = _DIGITS.sub(_hide_card_number, text)
    return _VPA.sub(rf"{HIDDEN}@\2", text)


def _hide_card_number(match: re.Match[str]) -> str:
    digits = re.sub(r"[ -]", "", match[0])
    return HIDDEN if _luhn(digits) else match[0]


def _luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def redact_value(key: str, value: Any) -> Any:
    """A value of a log line or of a problem, by its name and by what it looks like."""
    if value and key not in _NOT_SECRET and _SECRET_KEY.search(key):
        return HIDDEN
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {str(k): redact_value(str(k), v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact_value("", item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return redact(str(value)) if isinstance(value, int) and value >= 10**11 else value
    return redact(str(value))


def _add_exception(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Type, text and frames of an exception; never its local variables."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["exception"] = "".join(traceback.format_exception(error, limit=-25))
    return event


def _redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {key: redact_value(key, value) for key, value in event.items()}


def _render(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


_SHARED: Final = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _add_exception,
    _redact_event,
    _render,
)


class _ThroughStructlog(logging.Handler):
    """Lines of libraries, in the same form and through the same redaction."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def emit(self, record: logging.LogRecord) -> None:
        event: MutableMapping[str, Any] = {
            "event": record.getMessage(),
            "logger": record.name,
            "exc_info": record.exc_info,
        }
        line: Any = event
        for processor in _SHARED:
            line = processor(None, record.levelname.lower(), line)
        print(line, file=self._stream, flush=True)


def configure(level: str = "info", stream: TextIO | None = None) -> None:
    """Once a process. Logs go to stderr: stdout belongs to what a command prints."""
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=list(_SHARED),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers[:] = [_ThroughStructlog(stream)]
    root.setLevel(max(number, logging.INFO))
    # One line per call to a rail adds nothing to our own, and its address may name a payer.
    for chatty in ("httpx", "httpcore", "_granian", "psycopg.pool"):
        logging.getLogger(chatty).setLevel(max(number, logging.WARNING))
