"""Transfers between people at every rail: in the process, and over HTTP at the sandbox banks."""

import asyncio
import csv
import io
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from online.kernel.clock import SystemClock
from online.platform.settings import load_settings
from online.rails.domain import (
    AuthorizeRequest,
    Outcome,
    OutcomeKind,
    Upi,
    VoidRequest,
    VpaReference,
)
from online.rails.registry import Rails, http_rails, in_process_rails
from online.sandbox.cycles import bank_day
from tests.contract.test_rails import MERCHANT, Cards, Shown, reference, sandbox, sandbox_data

pytestmark = pytest.mark.anyio
__all__ = ["sandbox", "sandbox_data"]

RAIL = "upi_icici"
SEALED = VpaReference(purpose="handle", id=UUID(int=77), merchant_id=MERCHANT)


class Vpas(Cards):
    """What the vault would tell of a sealed VPA."""

    async def open_vpa(self, found: VpaReference) -> Shown:
        assert found == SEALED
        return Shown("kavya@ybl")


@pytest.fixture(params=["in_process", "http"])
async def rails(request: pytest.FixtureRequest) -> Any:
    settings = load_settings(environ={"KHATA_RAILS__READ_MS": "1000"})
    if request.param == "in_process":
        yield in_process_rails(settings.payment_routes, Vpas())
        return
    base = request.getfixturevalue("sandbox")
    moved = [
        msgspec.structs.replace(r, url=f"{base}/rails/{r.name}") for r in settings.payment_routes
    ]
    found = http_rails(moved, Vpas(), settings.rails)
    yield found
    await found.close()


def transfer(vpa: str, amount: int = 700_00, **upi: Any) -> AuthorizeRequest:
    part = {"flow": "intent", "payer_vpa": vpa, "payee_vpa": "meera@okicici", **upi}
    return AuthorizeRequest(
        reference=reference(),
        amount_minor=amount,
        currency="INR",
        capture=True,
        upi=Upi(**part),
        kind="p2p",
    )


def void(of: AuthorizeRequest) -> VoidRequest:
    return VoidRequest(
        reference=reference(),
        original_reference=of.reference,
        amount_minor=of.amount_minor,
        currency="INR",
    )


async def until_over(rails: Rails, asked: AuthorizeRequest) -> Outcome:
    for _ in range(40):
        found = await rails[RAIL].enquire(asked.reference)
        if found.is_final:
            return found
        await asyncio.sleep(0.1)
    pytest.fail("it does not end")


@pytest.mark.parametrize(
    ("vpa", "kind"),
    [
        ("asha@ybl", OutcomeKind.APPROVED),
        ("decline@khata", OutcomeKind.DECLINED),
        ("techfail@khata", OutcomeKind.FAILED),
        ("pending@khata", OutcomeKind.PENDING),
        ("deemed@khata", OutcomeKind.DEEMED),
        ("timeout@khata", OutcomeKind.UNKNOWN),
    ],
)
async def test_magic_payers_do_what_they_do(rails: Rails, vpa: str, kind: OutcomeKind) -> None:
    assert (await rails[RAIL].authorize(transfer(vpa))).kind is kind


async def test_both_people_may_be_named_by_reference(rails: Rails) -> None:
    asked = transfer("asha@ybl", payee_vpa="", payee=SEALED)
    assert (await rails[RAIL].authorize(asked)).kind is OutcomeKind.APPROVED
    asked = transfer("asha@ybl", payer_vpa=None, payer=SEALED)
    assert (await rails[RAIL].authorize(asked)).kind is OutcomeKind.APPROVED


async def test_the_payer_who_is_waited_for_may_be_let_go(rails: Rails) -> None:
    asked = transfer("pending@khata")
    await rails[RAIL].authorize(asked)

    assert (await rails[RAIL].void(void(asked))).kind is OutcomeKind.APPROVED
    assert (await until_over(rails, asked)).kind is OutcomeKind.DECLINED


async def test_what_was_sent_is_neither_voided_nor_refunded(rails: Rails) -> None:
    asked = transfer("asha@ybl")
    await rails[RAIL].authorize(asked)

    assert (await rails[RAIL].void(void(asked))).kind is OutcomeKind.DECLINED


async def test_banks_refund_nothing_between_people(sandbox: str) -> None:
    async with httpx.AsyncClient(base_url=sandbox, timeout=10) as banks:
        asked = transfer("asha@ybl")
        await _post(banks, "authorize", asked.reference, kind="p2p", upi=_UPI)
        refund = await _post(banks, "refund", reference(), original_reference=asked.reference)
    assert (refund["status"], refund["code"]) == ("declined", "12")


@pytest.mark.parametrize(
    "wrong",
    [{"flow": "collect"}, {"payer_vpa": None}, {"payee_vpa": ""}],
    ids=["collect", "no payer", "no payee"],
)
async def test_banks_refuse_what_no_transfer_is(sandbox: str, wrong: dict[str, Any]) -> None:
    async with httpx.AsyncClient(base_url=sandbox, timeout=10) as banks:
        answer = await banks.post(
            f"/rails/{RAIL}/authorize",
            json={"reference": "att_wrong", "amount": 1, "currency": "INR", "kind": "p2p",
                  "upi": _UPI | wrong},
            headers={"Idempotency-Key": "att_wrong"},
        )  # fmt: skip
    assert answer.status_code == 400, answer.text


async def test_the_switch_tells_of_people_in_a_file_of_their_own(
    sandbox: str, tmp_path: Path
) -> None:
    """And in no settlement: its rows are none of the money that the switch owes us."""
    today = bank_day(SystemClock().now())
    async with httpx.AsyncClient(base_url=sandbox, timeout=30) as banks:
        sent, returned = reference(), reference()
        await _post(banks, "authorize", sent, kind="p2p", upi=_UPI)
        await _post(
            banks, "authorize", returned, kind="p2p", upi=_UPI | {"payer_vpa": "deemed@khata"}
        )
        ended = await banks.post(f"/admin/deemed/{returned}/ret")
        assert ended.json()["code"] == "RET"
        closed = await banks.post(
            "/admin/close-day", json={"bank_day": today.isoformat(), "inbox": str(tmp_path)}
        )
        assert closed.status_code == 200, closed.text

    rows, settled = _delivered(tmp_path)
    told = {(row["Order Ref"], row["Type"]): row["Amount"] for row in rows if row["Record"] == "D"}
    assert told[sent, "P2P"] == "499.00"
    assert (told[returned, "P2P"], told[returned, "P2P_RETURN"]) == ("499.00", "-499.00")
    assert sent not in settled
    assert returned not in settled


_UPI = {"flow": "intent", "payer_vpa": "asha@ybl", "payee_vpa": "meera@okicici"}


async def _post(
    banks: httpx.AsyncClient, operation: str, name: str, **fields: Any
) -> dict[str, Any]:
    body = {"reference": name, "amount": 499_00, "currency": "INR", **fields}
    answer = await banks.post(
        f"/rails/{RAIL}/{operation}", json=body, headers={"Idempotency-Key": name}
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _delivered(inbox: Path) -> tuple[list[dict[str, str]], str]:
    """The rows of the switch's extracts, and the text of all settlement files."""
    extracts = [path.read_text() for path in inbox.glob(f"{RAIL}_p2p_*.csv")]
    rows = [row for text in extracts for row in csv.DictReader(io.StringIO(text))]
    return rows, "".join(path.read_text() for path in inbox.glob("*_settlement_*.csv"))
