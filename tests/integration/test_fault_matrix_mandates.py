"""Every behaviour of the banks, times a mandate that is asked for and a debit under one.

One service and one sandbox serve all cells, with signed callbacks and recovery; each cell has a
merchant of its own. `verify-books` at the end.
"""

import asyncio
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from online.kernel import ids
from online.kernel.clock import IST, business_date
from online.operations.verify import verify_books
from online.platform.embedded_postgres import EmbeddedPostgres
from online.sandbox.behaviour import BEHAVIOURS
from tests.databases import as_role, fresh_database
from tests.gateways import Gateway
from tests.integration.fault_world import Seen, World, world_on
from tests.integration.test_fault_matrix import ATTEMPTS

AMOUNT = 400_00
# What a mandate comes to; the payer's late yes to one that had failed is revoked at the bank.
MANDATES = {
    "succeeded": ("active", "active"),
    "declined": ("failed", "failed"),
    "failed": ("failed", "failed"),
    "late": ("revoked", "revoked"),
}
# What a debit comes to after one try: the execution, then attempt, payment, effects and money.
DEBITS = {
    "succeeded": ("succeeded", Seen("succeeded", "captured", "", 1, 1, 1)),
    "declined": ("failed", Seen("declined", "failed", "", 0, 0, 0)),
    "failed": ("retrying", Seen("failed", "failed", "", 0, 0, 0)),
    # Given back by itself; the next try is another payment.
    "late": ("retrying", Seen("succeeded", "failed", "", 1, 0, 0)),
}
OTHERWISE = {
    "insufficient_funds": ("retrying", Seen("declined", "failed", "", 0, 0, 0)),
    # Told as a success, and returned by the payee's bank: nothing is tried again.
    "debit_returned": ("succeeded", Seen("declined", "reversed", "", 0, 0, 0)),
}


class Cells:
    """What was seen, by behaviour."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.merchants: dict[str, Gateway] = {}
        self.mandates: dict[str, Any] = {}
        self.executions: dict[str, Any] = {}
        self.seen: dict[str, Seen] = {}

    @property
    def today(self) -> Any:
        return business_date(self.world.services.clock.now())

    async def ask(self, name: str, vpa: str) -> None:
        merchant = self.merchants[name] = await self.world.gateway.another_merchant()
        customer = await merchant.post("/customers", {"name": name}, key=None)
        body = {
            "customer_id": customer.json()["id"],
            "max_amount": AMOUNT,
            "frequency": "monthly",
            "start_on": self.today.isoformat(),
            "end_on": (self.today + timedelta(days=90)).isoformat(),
            "purpose": "Magazine",
            "vpa": vpa,
        }
        answer = await merchant.post("/mandates", body)
        assert answer.status_code in (201, 202), answer.text
        self.mandates[name] = answer.json()

    async def at_bank(self, name: str) -> str:
        """How the bank's own records have a mandate."""
        attempt = await self.world.gateway.scalar(
            "select attempt_id from mandates where id = %s",
            ids.decode("mnd", self.mandates[name]["id"]),
        )
        rail = self.mandates[name]["rail"]
        path = f"/rails/{rail}/mandates/{ids.encode('att', attempt)}"
        return str((await self.world.bank.get(path)).json().get("status"))

    async def read(self, name: str, path: str) -> Any:
        merchant = await self.merchants[name].sign_in()
        answer = await merchant.get(f"/mandates/{self.mandates[name]['id']}{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def debit(self, day: Any) -> None:
        """One each on that day, all tried in one round of the worker."""
        for name, merchant in self.merchants.items():
            path = f"/mandates/{self.mandates[name]['id']}/executions"
            made = await merchant.post(path, {"amount": AMOUNT, "debit_on": day.isoformat()})
            assert made.status_code == 201, made.text
            self.executions[name] = made.json()
        work = self.world.services.mandates
        assert await work.executions.notify_due() == len(self.merchants)
        morning = datetime.combine(day, time(8), IST).astimezone(UTC)
        self.world.gateway.later(morning - self.world.services.clock.now())
        assert await work.trying.try_due() == len(self.merchants)

    async def confirm(self, name: str) -> None:
        """The payee's bank has the money of a deemed debit after all."""
        attempt = await self.world.gateway.scalar(
            "select id from attempts where merchant_id = %s and operation = 'authorize'",
            self.merchants[name].merchant.merchant.id,
        )
        answer = await self.world.bank.post(f"/admin/deemed/{ids.encode('att', attempt)}/tcc")
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="module")
def asked(postgres: EmbeddedPostgres, template: str, tmp_path_factory: Any) -> Any:
    async def run(url: str, data: Path) -> dict[str, tuple[str, str]]:
        async with world_on(url, data) as world:
            cells = Cells(world)
            await asyncio.gather(*(cells.ask(name, f"{name}@khata") for name in BEHAVIOURS))
            await world.settle_everything()
            await world.services.mandates.stopping.tell_due()
            return {
                name: ((await cells.read(name, ""))["status"], await cells.at_bank(name))
                for name in BEHAVIOURS
            }

    return _ran(run, postgres, template, tmp_path_factory)


@pytest.fixture(scope="module")
def debited(postgres: EmbeddedPostgres, template: str, tmp_path_factory: Any) -> Any:
    async def run(url: str, data: Path) -> dict[str, tuple[str, Seen]]:
        async with world_on(url, data) as world:
            cells = Cells(world)
            await asyncio.gather(*(cells.ask(name, f"mandate.{name}@khata") for name in BEHAVIOURS))
            await cells.debit(cells.today + timedelta(days=2))
            await cells.confirm("deemed")
            await world.settle_everything()
            found = {}
            for name, merchant in cells.merchants.items():
                made = cells.executions[name]["id"]
                shown = await cells.read(name, f"/executions/{made}")
                assert shown["tried"] == 1, shown
                found[name] = (shown["status"], await world.see(merchant, "authorize"))
            return found

    return _ran(run, postgres, template, tmp_path_factory)


def _ran(run: Any, postgres: EmbeddedPostgres, template: str, tmp_path_factory: Any) -> Any:
    with fresh_database(postgres, template) as owner:
        app = as_role(postgres, owner, "khata_app")
        found = asyncio.run(run(app, tmp_path_factory.mktemp("world")))
        report = asyncio.run(verify_books(owner))
        assert report.holds, report
        return found


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_mandate_that_is_asked_for(asked: Any, name: str):
    here, at_bank = asked[name]
    wanted = MANDATES[ATTEMPTS[name]]
    # What the bank has never heard of, it does not know.
    known = wanted if ATTEMPTS[name] != "failed" else (wanted[0], at_bank)
    assert (here, at_bank) == known


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_a_debit(debited: Any, name: str):
    assert debited[name] == OTHERWISE.get(name, DEBITS[ATTEMPTS[name]])
