"""The whole service on a socket of its own beside a real sandbox process, one clock for both; and
what one faulty operation came to, seen from the service, its books and the bank's own records.
"""

import asyncio
import base64
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server

from online.app import create_app
from online.callbacks.secrets import newest_secret
from online.kernel import ids
from online.kernel.clock import business_date, write_offset
from online.kernel.events import Metadata
from online.ledger.pending import Sums
from online.operations.recovery import recover_once
from online.platform.settings import ROOT, Breakers, Settings
from online.routing.breakers import LocalBreakers
from online.sandbox import magic
from online.services import Services, build_services
from online.settlements.domain import Batch
from tests.gateways import Gateway, _merchant, never_rest, settings_for, upi

META = Metadata(actor="test")
# Above the amounts that mean something, below every limit.
PLAIN = 500_000
# Held answers come after the time-out, slow ones before it.
_READ_MS = 800
_HOLD_S = 1.2
_ROUND = timedelta(seconds=400)
_MOST_ROUNDS = 9


class Seen(NamedTuple):
    """What became of a cell. Amounts are multiples of the operation's own."""

    attempt: str  # of the operation; those of a cascade in one word where they agree
    payment: str
    thing: str  # the refund or the settlement; empty for others
    effects: int  # approved by the bank: never more than one an attempt
    at_bank: int  # what the rail owes us by its own records
    in_books: int  # and by ours


class World:
    """One service, one sandbox."""

    def __init__(self, gateway: Gateway, bank: httpx.AsyncClient, records: Path) -> None:
        self._records = records
        self.gateway = gateway
        self.bank = bank
        self.services: Services = gateway.services

    async def settle_everything(self) -> None:
        """Callbacks first, as it would be; then recovery's own schedule."""
        await self._pass(timedelta(seconds=4))
        await _until(self._has_told_all)
        await self.services.callbacks.idle()
        for _ in range(_MOST_ROUNDS):
            await self._pass(_ROUND)
            await recover_once(self.services)
            await self.services.payments.return_late_due()
            await self.services.callbacks.idle()
            if not await self._is_anything_open():
                return

    async def _pass(self, by: timedelta) -> None:
        self.gateway.later(by)

    async def _is_anything_open(self) -> bool:
        sql = (
            "select exists (select from attempts"
            " where status in ('sent', 'pending', 'unknown', 'deemed'))"
            " or exists (select from payments where late_returned_minor < late_minor)"
        )
        return bool(await self.gateway.scalar(sql))

    async def _has_told_all(self) -> bool:
        with closing(sqlite3.connect(f"file:{self._records}?mode=ro", uri=True)) as db:
            waiting = "select count(*) from callbacks where next_try_at is not null"
            return db.execute(waiting).fetchone() == (0,)

    async def enquiries(self, merchant: Gateway, operation: str) -> int:
        """How often the bank was asked about the operation."""
        return int(
            await self.gateway.scalar(
                "select max(enquiries) from attempts where merchant_id = %s and operation = %s",
                merchant.merchant.merchant.id,
                operation,
            )
        )

    async def see(self, merchant: Gateway, operation: str) -> Seen:
        """Everything of a merchant, who has done one thing only."""
        id_ = merchant.merchant.merchant.id
        attempts = await self.gateway.rows(
            "select id, operation, status, amount_minor from attempts where merchant_id = %s", id_
        )
        of_it = [row for row in attempts if row[1] == operation]
        found = await asyncio.gather(*(self._at_bank(row[0]) for row in attempts))
        at_bank = dict(zip((row[0] for row in attempts), found, strict=True))
        movements = [moved for known in found for moved in known["movements"]]
        (payment,) = await self.gateway.rows(
            "select status from payments where merchant_id = %s", id_
        )
        assert of_it, f"no attempt to {operation} was made"
        amount = of_it[0][3]
        return Seen(
            attempt="/".join(sorted({str(row[2]) for row in of_it})),
            payment=str(payment[0]),
            thing=await self._thing(id_),
            effects=sum(at_bank[row[0]]["status"] == "approved" for row in of_it),
            at_bank=_multiple(sum(map(_signed, movements)), amount),
            in_books=_multiple(await self._in_books(id_), amount),
        )

    async def _at_bank(self, attempt_id: UUID) -> dict[str, Any]:
        answer = await self.bank.get(f"/admin/operations/{ids.encode('att', attempt_id)}")
        if answer.status_code == 404:
            return {"status": "nothing", "movements": []}
        found: dict[str, Any] = answer.json()
        return found

    async def _thing(self, merchant_id: UUID) -> str:
        rows = await self.gateway.rows(
            "select status from refunds where merchant_id = %(m)s union all"
            " select status from settlements where merchant_id = %(m)s".replace("%(m)s", "%s"),
            merchant_id,
            merchant_id,
        )
        return str(rows[0][0]) if rows else ""

    async def _in_books(self, merchant_id: UUID) -> int:
        """What the rails owe us: receivable, less what they give back for us (debit is minus)."""
        return int(
            await self.gateway.scalar(
                "select -coalesce(sum(e.amount_cents), 0)::bigint from ledger_entries e"
                " join ledger_transactions t on t.id = e.transaction_id"
                " join ledger_accounts a on a.id = e.account_id"
                " where t.merchant_id = %s and e.layer = 'posted' and (a.code like 'rail:%%'"
                " or a.code like 'refunds:%%' or a.code like 'payouts:%%')",
                merchant_id,
            )
        )

    # ── one faulty operation a merchant ──────────────────────────────────────────────────────

    async def authorize(self, name: str, *, by: str, capture: str) -> Gateway:
        merchant = await self.gateway.another_merchant()
        if by == "upi":
            method = upi(f"{name}@khata")
        else:
            method = await merchant.card(magic.behaviour_card(name))
        await self._call(merchant, "/payments", PLAIN, method, capture)
        if by == "upi" and name == "deemed":
            await self._confirm(merchant)
        return merchant

    async def _confirm(self, merchant: Gateway) -> None:
        """The payee's bank has the money after all: somebody makes it say so."""
        attempt_id = await self.gateway.scalar(
            "select id from attempts where merchant_id = %s", merchant.merchant.merchant.id
        )
        answer = await self.bank.post(f"/admin/deemed/{ids.encode('att', attempt_id)}/tcc")
        assert answer.status_code == 200, answer.text

    async def capture(self, name: str) -> Gateway:
        merchant, payment = await self._card(name, "manual")
        _begun(await merchant.post(f"/payments/{payment}/capture", {}))
        return merchant

    async def void(self, name: str) -> Gateway:
        merchant, payment = await self._card(name, "manual")
        _begun(await merchant.post(f"/payments/{payment}/cancel", {}))
        return merchant

    async def release(self, name: str) -> Gateway:
        merchant, hold = await self._hold(name)
        _begun(await merchant.post(f"/holds/{hold}/release", {}))
        return merchant

    async def extend(self, name: str) -> Gateway:
        merchant, hold = await self._hold(name)
        _begun(await merchant.post(f"/holds/{hold}/extend", {}))
        return merchant

    async def _hold(self, name: str) -> tuple[Gateway, str]:
        """By a network that keeps it for longer when it is asked."""
        merchant = await self.gateway.another_merchant()
        amount = magic.behaviour_amount(name, "capture")
        body = {"amount": amount, "payment_method": await merchant.card("5555555555554444")}
        answer = _begun(await merchant.post("/holds", body))
        assert answer.json()["status"] == "placed", answer.text
        return merchant, answer.json()["id"]

    async def reverse(self, name: str) -> Gateway:
        merchant, payment = await self._card(name, "automatic")
        _begun(await merchant.post(f"/payments/{payment}/reverse", {}))
        return merchant

    async def refund(self, name: str) -> Gateway:
        merchant = await self.gateway.another_merchant()
        payment = await merchant.pay(magic.behaviour_amount(name, "refund"), upi("success@khata"))
        _begun(await merchant.post("/refunds", {"payment": payment["id"]}))
        return merchant

    async def payout(self, name: str) -> Gateway:
        """UPI costs nothing, so that the day's one payment is paid out as it is."""
        merchant = await self.gateway.another_merchant()
        amount = magic.behaviour_amount(name, "payout")
        await merchant.pay(amount, upi("success@khata"))
        return merchant

    async def pay_out(self, merchants: Sequence[Gateway]) -> None:
        """The day is over: each merchant is settled."""
        day = business_date(self.services.clock.now())
        await self._pass(timedelta(days=1))
        for merchant in merchants:
            (row,) = await self.gateway.rows(
                "select captured_minor from payments where merchant_id = %s",
                merchant.merchant.merchant.id,
            )
            sums = Sums(gross_minor=row[0], refunds_minor=0, fees_minor=0, tax_minor=0)
            batch = Batch(
                merchant_id=merchant.merchant.merchant.id,
                business_date=day,
                currency="INR",
                sums=sums,
                net_minor=sums.net_minor,
                count=1,
                snapshot=1,
            )
            (receipt,) = await self.services.settlements.take_in([batch], META)
            assert receipt.status == "accepted", receipt

    async def _card(self, name: str, capture: str) -> tuple[Gateway, str]:
        merchant = await self.gateway.another_merchant()
        amount = magic.behaviour_amount(name, "capture")
        method = await merchant.card()
        answer = await self._call(merchant, "/payments", amount, method, capture)
        assert answer.json()["status"] in ("authorized", "captured"), answer.text
        return merchant, answer.json()["id"]

    async def _call(
        self, merchant: Gateway, path: str, amount: int, method: Any, capture: str
    ) -> httpx.Response:
        body = {"amount": amount, "payment_method": method, "capture_method": capture}
        answer = await merchant.post(path, body)
        return _begun(answer)


def _begun(answer: httpx.Response) -> httpx.Response:
    """Whatever came of it, the service has tried."""
    assert answer.status_code < 300 or answer.status_code in (402, 503), answer.text
    return answer


def _signed(moved: dict[str, Any]) -> int:
    return int(moved["amount"]) * (1 if moved["type"] == "PAY" else -1)


def _multiple(total: int, amount: int) -> int:
    """How many times the operation's amount; what is no multiple shows as it is."""
    return total // amount if total % amount == 0 else total


@asynccontextmanager
async def world_on(database_url: str, data: Path) -> AsyncIterator[World]:
    """Everything started, and stopped again."""
    service_port, bank_port = _free_port(), _free_port()
    settings = _settings(database_url, data, bank_port)
    services = build_services(settings)
    services.routing._book = LocalBreakers(Breakers(min_calls=1_000_000))  # type: ignore[assignment]
    never_rest(services)
    write_offset(data / "clock.json", services.clock.now())
    secrets = data / "rail_secrets.json"
    named = {
        rail: base64.b64encode(newest_secret(data / "keys", rail)).decode()
        for rail in services.rails.names
    }
    secrets.write_text(json.dumps(named))
    server = Server(
        create_app(settings, services),
        address="127.0.0.1",
        port=service_port,
        interface=Interfaces.ASGI,
        log_level=LogLevels.error,
    )
    serving = asyncio.create_task(server.serve())
    bank = _start_bank(data, bank_port, service_port, secrets)
    try:
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{service_port}", timeout=60) as client,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{bank_port}", timeout=60) as teller,
        ):
            await _until(lambda: _is_up(client, "/ready"))
            await _until(lambda: _is_up(teller, "/health"))
            gateway = Gateway(client, services, await _merchant(services))
            yield World(await gateway.sign_in(), teller, data / "bank" / "bank.sqlite")
    finally:
        bank.terminate()
        bank.wait(20)
        server.stop()  # type: ignore[no-untyped-call]
        await serving


def _settings(database_url: str, data: Path, bank_port: int) -> Settings:
    rails = f"http://127.0.0.1:{bank_port}/rails"
    urls = {
        f"KHATA_PAYMENT_ROUTES__{name.upper()}__URL": f"{rails}/{name}"
        for name in ("upi_hdfc", "upi_icici", "card_a", "card_b")
    }
    own = {"KHATA_SANDBOX__RAILS_IN_PROCESS": "false", "KHATA_RAILS__READ_MS": str(_READ_MS)}
    return settings_for(database_url, data, **own, **urls)


def _start_bank(
    data: Path, port: int, service_port: int, secrets: Path
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "online.sandbox", "serve", "--port", str(port)]
    command += ["--data", str(data / "bank"), "--clock", str(data / "clock.json")]
    command += ["--callback-url", f"http://127.0.0.1:{service_port}"]
    command += ["--callback-secrets", str(secrets), "--hold-s", str(_HOLD_S), "--slow-s", "0.3"]
    return subprocess.Popen([*command, "--pending-s", "2"], cwd=ROOT)


async def _is_up(client: httpx.AsyncClient, path: str) -> bool:
    try:
        return (await client.get(path)).status_code == 200
    except httpx.TransportError:
        return False


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + 30
    while not await holds():
        assert time.monotonic() < end, "it does not start"
        await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
