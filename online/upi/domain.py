"""`upi://pay` links, built and read. Pure.

UPI linking specification 1.6 (NPCI, November 2017): names and order of the parameters, two decimals
in an amount, `%20` for a space. What is read may be looser than what is built: parameters in any
order and case, `+` for a space, empty ones, ones that the specification does not know.
"""

import re
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import quote, unquote_to_bytes

from msgspec import Struct, structs

from online.kernel.errors import InvalidRequest

SCHEME: Final = "upi://pay"
CURRENCY: Final = "INR"
LONGEST: Final = 2_000
LONGEST_NOTE: Final = 50
LONGEST_NAME: Final = 99
_SIGN: Final = "&sign="


@dataclass(eq=False)
class InvalidLink(InvalidRequest):
    """`param` names the parameter that is wrong; `link` when it is the whole."""

    code: ClassVar[str] = "invalid_link"


class Link(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Names as in the specification, amounts in paise. Without `am` the payer enters it; `also` is
    what a reader found beyond the specification, in its order."""

    pa: str  # the payee's VPA
    pn: str | None = None  # the payee's name
    mc: str | None = None  # merchant category code, ISO 18245
    tid: str | None = None  # UPI transaction id
    tr: str | None = None  # the payee's own reference
    tn: str | None = None  # what the payer reads
    am: int | None = None
    mam: int | None = None  # at least so much
    cu: str = CURRENCY
    url: str | None = None  # more about it
    mode: str | None = None  # initiation mode
    purpose: str | None = None
    orgid: str | None = None  # of whoever signs
    also: tuple[tuple[str, str], ...] = ()
    sign: str | None = None


class _Rule(Struct, frozen=True):
    """What a parameter has to look like: to be read, and to be built by us."""

    read: re.Pattern[str]
    told: str
    build: re.Pattern[str] | None = None


def _rule(read: str, told: str, build: str | None = None) -> _Rule:
    return _Rule(re.compile(read), told, re.compile(build) if build else None)


_LINE: Final = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]"  # printable, on one line
_AMOUNT: Final = _rule(r"[0-9]{1,12}(\.[0-9]{1,2})?", "rupees with at most two decimals")
# In the order of the specification; `sign` is always the last.
_RULES: Final = {
    "pa": _rule(r"[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9.]{1,63}", "a VPA such as shop@bank"),
    "pn": _rule(_LINE + "{1,255}", "a name", _LINE + f"{{1,{LONGEST_NAME}}}"),
    "mc": _rule("[0-9]{4}", "four digits (ISO 18245)"),
    "tid": _rule("[!-~]{1,99}", "letters and digits", "[A-Za-z0-9]{35}"),
    "tr": _rule(r"[ -~]{1,99}", "a reference", r"[A-Za-z0-9._-]{1,35}"),
    "tn": _rule(_LINE + f"{{1,{LONGEST_NOTE}}}", f"at most {LONGEST_NOTE} characters"),
    "am": _AMOUNT,
    "mam": _AMOUNT,
    "cu": _rule(CURRENCY, f"{CURRENCY}, the only currency of UPI"),
    "url": _rule(r"https?://[^\s\x00-\x1f]{1,500}", "a web address"),
    "mode": _rule("[0-9]{2}", "two digits"),
    "purpose": _rule("[0-9A-Z]{2}", "two digits or capitals"),
    "orgid": _rule("[A-Za-z0-9]{1,20}", "the number of an organisation"),
}
_SIGNATURE: Final = _rule(r"[A-Za-z0-9+/_-]{16,1024}={0,2}", "a signature in base64")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_HEAD: Final = re.compile(r"upi://pay/?\?", re.IGNORECASE)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


def build(link: Link) -> str:
    """The link as text, its signature last. Raises `InvalidLink` for what no link may hold."""
    for name, rule in _RULES.items():
        value = _text(link, name)
        pattern = rule.build or rule.read
        if value is not None and pattern.fullmatch(value) is None:
            raise InvalidLink(f"has to be {rule.told}", name)
    _check_amounts(link)
    _check_strangers(link.also)
    given = [(name, _text(link, name)) for name in _RULES]
    pairs = [(name, value) for name, value in given if value is not None]
    query = "&".join(f"{name}={quote(value, safe='@')}" for name, value in (*pairs, *link.also))
    signature = f"{_SIGN}{quote(link.sign, safe='')}" if link.sign else ""
    text = f"{SCHEME}?{query}{signature}"
    if len(text) > LONGEST:
        raise InvalidLink(f"longer than {LONGEST} characters", "link")
    return text


def parse(text: str) -> Link:
    """What a link says. Raises `InvalidLink`, which names the parameter that is wrong."""
    if len(text) > LONGEST or not text.isprintable():
        raise InvalidLink(f"a line of at most {LONGEST} characters", "link")
    head = _HEAD.match(text)
    if head is None:
        raise InvalidLink(f"has to begin with {SCHEME}?", "link")
    values: dict[str, str] = {}
    strangers: dict[str, str] = {}
    for piece in filter(None, text[head.end() :].split("&")):
        written, _, raw = piece.partition("=")
        name = written.lower()
        known = name in _RULES or name == "sign"
        if _NAME.fullmatch(written) is None:
            raise InvalidLink("is no parameter", written[:40] or "link")
        if "sign" in values:
            raise InvalidLink("stands last: what follows it is not signed", "sign")
        if name in values or written in strangers:
            raise InvalidLink("stands there twice", name if known else written)
        value = _decoded(raw, name if known else written, signature=name == "sign")
        (values if known else strangers)[name if known else written] = value
    return _read({name: value for name, value in values.items() if value}, strangers)


def signed_part(text: str) -> str | None:
    """What the signature is over: all before `&sign=`. None: there is no signature."""
    before, found, _ = text.rpartition(_SIGN)
    if not found:
        before, found, _ = text.rpartition(_SIGN.upper())
    return before if found else None


def _read(values: dict[str, str], strangers: dict[str, str]) -> Link:
    if "pa" not in values:
        raise InvalidLink("names nobody to pay", "pa")
    values["cu"] = values.get("cu", CURRENCY).upper()
    rules = {**_RULES, "sign": _SIGNATURE}
    for name, value in values.items():
        if rules[name].read.fullmatch(value) is None:
            raise InvalidLink(f"has to be {rules[name].told}", name)
    amounts = {name: _paise(values.pop(name)) for name in ("am", "mam") if name in values}
    link = Link(
        **values,
        am=amounts.get("am") or None,  # none, or zero: the payer enters it
        mam=amounts.get("mam") or None,
        also=tuple(strangers.items()),
    )
    _check_amounts(link)
    return link


def _text(link: Link, name: str) -> str | None:
    value = getattr(link, name)
    return f"{value // 100}.{value % 100:02d}" if isinstance(value, int) else value


def _paise(rupees: str) -> int:
    whole, _, part = rupees.partition(".")
    return int(whole) * 100 + int(part.ljust(2, "0") or 0)


def _check_amounts(link: Link) -> None:
    for name in ("am", "mam"):
        value = getattr(link, name)
        if value is not None and value <= 0:
            raise InvalidLink("has to be positive", name)
    if link.am is not None and link.mam is not None and link.mam > link.am:
        raise InvalidLink("is more than the amount", "mam")


def _check_strangers(also: tuple[tuple[str, str], ...]) -> None:
    names = [name for name, _ in also]
    for name, value in also:
        wrong = _NAME.fullmatch(name) is None or name.lower() in (*_RULES, "sign")
        if wrong or names.count(name) > 1 or not value.isprintable():
            raise InvalidLink("cannot be added to a link", name[:40] or "also")


def _decoded(raw: str, name: str, *, signature: bool) -> str:
    """Readers take `+` for a space, but for a signature, which they found written bare."""
    if _BAD_ESCAPE.search(raw):
        raise InvalidLink("has a broken %-escape", name)
    try:
        value = unquote_to_bytes(raw if signature else raw.replace("+", " ")).decode()
    except UnicodeDecodeError:
        raise InvalidLink("is not UTF-8", name) from None
    if not value.isprintable():
        raise InvalidLink("has a character that cannot be printed", name)
    return value


def signed(link: Link, signature: str) -> Link:
    return structs.replace(link, sign=signature)
