"""The page on which a payer confirms a card payment, as the page of their bank would (3-D Secure).

Belongs here: its HTML, its headers, and what its two buttons do. Does not: what comes of it
(`bank.py`). The page loads nothing and runs no script.
"""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from typing import Any, Final
from urllib.parse import parse_qs, quote

from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from online.kernel.errors import InvalidRequest, NotFound
from online.kernel.money import format_minor
from online.sandbox import callbacks
from online.sandbox.rails import CURRENCY
from online.sandbox.records import StoredOperation
from online.sandbox.running import Sandbox

_STYLE: Final = """
:root { color-scheme: light dark; --ground: #f3f4f6; --card: #fff; --ink: #16181d;
  --soft: #555b66; --line: #d5d9e0; --go: #0b6b3a; --no: #a3281e; --on: #fff; --ring: #1d4ed8 }
@media (prefers-color-scheme: dark) { :root { --ground: #101216; --card: #1a1d23;
  --ink: #eceef2; --soft: #a9b0bc; --line: #343a45; --go: #5fd39a; --no: #ff9d92;
  --on: #101216; --ring: #8fb4ff } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem;
  background: var(--ground); color: var(--ink); font: 1.0625rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 26rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .75rem; padding: 1.5rem }
.bank { margin: 0; color: var(--soft); font-size: .9375rem }
h1 { margin: .25rem 0 1rem; font-size: 1.375rem; line-height: 1.25 }
dl { margin: 0 0 1rem; border-top: 1px solid var(--line) }
dl div { display: flex; flex-wrap: wrap; gap: .25rem 1rem; justify-content: space-between;
  padding: .625rem 0; border-bottom: 1px solid var(--line) }
dt { color: var(--soft) }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere }
dd.amount { font-weight: 600 }
form { display: grid; gap: .75rem; margin: 1.25rem 0 0 }
button { font: inherit; font-weight: 600; min-height: 3rem; padding: .5rem 1rem;
  border-radius: .5rem; border: 2px solid var(--go); background: var(--go); color: var(--on);
  cursor: pointer }
button.no { background: none; border-color: var(--no); color: var(--no) }
a { color: var(--ring) }
:focus-visible { outline: 3px solid var(--ring); outline-offset: 2px }
.note { margin: 1.25rem 0 0; color: var(--soft); font-size: .9375rem }
"""
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()
# What may stand in a policy and in a header; anything else is no way back.
_ORIGIN: Final = re.compile(
    r"(https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)(?:[/?#]|\Z)"
)
_DONE: Final = {
    "approved": ("Payment confirmed", "The payment was approved."),
    "declined": ("Payment not confirmed", "Nothing was paid."),
}


@get("/3ds/{reference:str}", media_type="text/html")
async def show_challenge(
    reference: FromPath[str], sandbox: NamedDependency[Sandbox]
) -> Response[str]:
    try:
        payment = await sandbox.writer.run(lambda db: sandbox.bank.challenged(db, reference))
    except NotFound:
        gone = _page("No such payment", "<p>This page belongs to no payment.</p>")
        return _html(gone, status=404)
    return _html(_page_of(payment), back=origin_of(payment.return_url))


@post("/3ds/{reference:str}", status_code=303, media_type="text/html")
async def answer_challenge(
    reference: FromPath[str], request: Request[Any, Any, Any], sandbox: NamedDependency[Sandbox]
) -> Response[str]:
    """The payer's button; a second press, or one that comes too late, changes nothing."""
    (said,) = parse_qs((await request.body()).decode("utf-8", "replace")).get("result", [""])[:1]
    if said not in ("approve", "fail"):
        raise InvalidRequest("`approve` or `fail`", param="result")

    def act(db: Any) -> StoredOperation:
        payment = sandbox.bank.challenged(db, reference)
        decides = payment.answer.status == "pending"
        if decides:
            sandbox.bank.payer_acts(db, reference, approves=said == "approve")
            now = sandbox.clock.now()
            callbacks.plan(db, rail=payment.rail, reference=reference, due_at=now)
        return payment

    payment = await sandbox.writer.run(act)
    sandbox.postman.wake()
    if payment.return_url is not None and origin_of(payment.return_url):
        return _see(quote(payment.return_url, safe="!#$%&'()*+,/:;=?@[]~"))
    return _see(f"/3ds/{quote(reference, safe='')}")


def origin_of(url: str | None) -> str:
    """Scheme, host and port of a page; empty where they are not plain ones."""
    found = _ORIGIN.match(url or "")
    return found[1] if found else ""


def rupees(amount_minor: int) -> str:
    """As an Indian bank writes it: ₹1,24,999.00."""
    whole, _, paise = format_minor(amount_minor, CURRENCY).partition(".")
    head, tail = whole[:-3], whole[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)]
    return f"₹{','.join([*reversed(pairs), tail])}.{paise}"


def _page_of(payment: StoredOperation) -> str:
    facts = (
        f'<dl><div><dt>Amount</dt><dd class="amount">{rupees(payment.amount_minor)}</dd></div>'
        f"<div><dt>Card</dt><dd>ending in {escape(payment.instrument)}</dd></div>"
        f"<div><dt>Reference</dt><dd>{escape(payment.reference)}</dd></div></dl>"
    )
    if payment.answer.status == "pending":
        buttons = (
            '<form method="post"><button name="result" value="approve">Confirm payment</button>'
            '<button class="no" name="result" value="fail">Do not confirm</button></form>'
        )
        return _page("Confirm this payment", facts + buttons)
    title, outcome = _DONE.get(payment.answer.status, _DONE["declined"])
    reason = "" if payment.answer.code == "00" else f" {escape(payment.answer.message)}."
    back = "<p>You may close this page.</p>"
    if payment.return_url is not None and origin_of(payment.return_url):
        back = f'<p><a href="{escape(payment.return_url)}">Back to the shop</a></p>'
    return _page(title, f'{facts}<p role="status">{outcome}{reason}</p>{back}')


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · Sandbox bank</title><style>{_STYLE}</style></head><body><main>"
        f'<p class="bank">Sandbox bank</p><h1>{title}</h1>{content}'
        '<p class="note">This is a simulator. No money moves.</p></main></body></html>'
    )


def _html(page: str, *, status: int = 200, back: str = "") -> Response[str]:
    """`back`: where the form may end up, since a browser follows its redirect under this policy."""
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self' {back}; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    return Response(
        page, status_code=status, media_type="text/html", headers=_quiet(policy.replace(" ;", ";"))
    )


def _see(address: str) -> Response[str]:
    headers = _quiet("default-src 'none'") | {"Location": address}
    return Response("", status_code=303, media_type="text/html", headers=headers)


def _quiet(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
