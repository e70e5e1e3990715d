"""Mandates over HTTP for tests: asked for, debited, with a clock that goes to an hour of a day."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from online.kernel.clock import IST, business_date, write_offset
from online.operations.worker import debit_once
from tests.gateways import Gateway

ONE_DAY = timedelta(days=1)


class Payers:
    """One merchant, one customer, and what a day brings them."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.customer = ""

    async def settle_in(self) -> "Payers":
        answer = await self.gateway.post("/customers", {"name": "Asha"}, key=None)
        assert answer.status_code == 201, answer.text
        self.customer = answer.json()["id"]
        return self

    @property
    def now(self) -> datetime:
        return self.gateway.services.clock.now()

    @property
    def today(self) -> date:
        return business_date(self.now)

    async def at(self, day: date, hour: str) -> None:
        """The clock says so, and the merchant signs in again: tokens are short-lived."""
        local = datetime.combine(day, time.fromisoformat(hour), IST)
        path = self.gateway.services.settings.data_dir / "clock.json"
        write_offset(path, local.astimezone(UTC))
        await self.gateway.sign_in()

    async def later(self, by: timedelta) -> None:
        self.gateway.later(by)
        await self.gateway.sign_in()

    async def recover(self, after_s: int = 400) -> None:
        """A round of the worker's recovery; left alone, when every rail's window is over."""
        await self.gateway.recover(timedelta(seconds=after_s))
        await self.gateway.sign_in()

    async def ask(self, status: int = 201, **fields: Any) -> Any:
        """A mandate of up to Rs 500 a month for a year, from tomorrow on."""
        body = {
            "customer_id": self.customer,
            "max_amount": 500_00,
            "frequency": "monthly",
            "start_on": self.today.isoformat(),
            "end_on": (self.today + timedelta(days=365)).isoformat(),
            "purpose": "Magazine",
            "vpa": "asha@khata",
            **fields,
        }
        answer = await self.gateway.post("/mandates", body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def debit(self, mandate: Mapping[str, Any], day: date, amount: int = 499_00) -> Any:
        answer = await self.gateway.post(
            f"/mandates/{mandate['id']}/executions",
            {"amount": amount, "debit_on": day.isoformat()},
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def act(self, path: str, status: int = 200) -> Any:
        answer = await self.gateway.post(path, {}, key=None)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def mandate(self, id_: str) -> Any:
        answer = await self.gateway.get(f"/mandates/{id_}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def execution(self, made: Mapping[str, Any]) -> Any:
        answer = await self.gateway.get(f"/mandates/{made['mandate_id']}/executions/{made['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def work(self) -> int:
        """The worker's rounds, until nothing is due."""
        done = 0
        while found := await debit_once(self.gateway.services):
            done += found
        return done

    async def notified(self, mandate: Mapping[str, Any], amount: int = 499_00) -> Any:
        """An execution of the day after tomorrow, of which the payer has been told, on its
        morning."""
        day = self.today + 2 * ONE_DAY
        made = await self.debit(mandate, day, amount)
        await self.work()
        await self.at(day, "08:00")
        told = await self.execution(made)
        assert told["status"] == "notified", told
        return told
