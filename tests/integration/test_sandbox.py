"""The banks as a process: HTTP, time-outs, one effect a key, callbacks, and a kill under load."""

import asyncio
import base64
import hashlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from online.kernel.clock import IST, write_offset

_ROOT = Path(__file__).parents[2]
_UPI = {"flow": "intent", "payer_vpa": "ravi@ybl", "payee_vpa": "khata@hdfcbank", "note": "tea"}


class Banks:
    """A sandbox process of our own, and a client for it."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self.data = data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.arguments = arguments
        # A server may close a connection after a request that it could not read: keep none.
        limits = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(base_url=self.url, timeout=10, trust_env=False, limits=limits)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "online.sandbox", "serve", "--port", str(self.port)]
        command += ["--data", str(self.data), "--seed", "7", *self.arguments]
        self.process = subprocess.Popen(command, cwd=_ROOT)
        self.wait_until(self._healthy)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        return self.process.wait(timeout=20)

    def close(self) -> None:
        self.client.close()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def authorize(self, reference: str, amount: int = 12_345, **upi: Any) -> httpx.Response:
        return self.client.post(
            "/rails/upi_hdfc/authorize",
            headers={"Idempotency-Key": reference},
            json=body(reference, amount, **upi),
        )

    def enquire(self, reference: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(f"/rails/upi_hdfc/operations/{reference}").json()
        return answer

    def admin(self, path: str, **fields: Any) -> httpx.Response:
        return self.client.post(f"/admin/{path}", json=fields)

    def _healthy(self) -> bool:
        try:
            return self.client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def wait_until(self, holds: Callable[[], bool], seconds: int = 20) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert self.process.poll() is None, "the sandbox ended"
            assert time.monotonic() < deadline, "the sandbox did not start"
            time.sleep(0.05)


def body(reference: str, amount: int = 12_345, **upi: Any) -> dict[str, Any]:
    return {
        "reference": reference,
        "amount": amount,
        "currency": "INR",
        "capture": True,
        "upi": {**_UPI, **upi},
    }


def _movements(banks: Banks) -> list[str]:
    db = sqlite3.connect(f"file:{banks.data / 'bank.sqlite'}?mode=ro", uri=True)
    try:
        return [row[0] for row in db.execute("select reference from movements")]
    finally:
        db.close()


@pytest.fixture
def banks(tmp_path: Path) -> Iterator[Banks]:
    running = Banks(tmp_path / "sandbox", "--hold-s", "2")
    yield running
    running.close()


def test_a_timed_out_payment_was_made_all_the_same(banks: Banks) -> None:
    impatient = httpx.Client(base_url=banks.url, timeout=0.5, trust_env=False)
    for vpa, expected in (
        ("timeout@khata", {"status": "approved", "code": "00"}),
        ("timeoutfail@khata", {"status": "declined", "code": "U30"}),
        ("lost@khata", {"status": "not_found"}),
    ):
        reference = f"att_{vpa.partition('@')[0]}"
        with pytest.raises(httpx.ReadTimeout):
            impatient.post(
                "/rails/upi_hdfc/authorize",
                headers={"Idempotency-Key": reference},
                json=body(reference, payer_vpa=vpa),
            )
        found = banks.enquire(reference)
        assert {name: found[name] for name in expected} == expected
    impatient.close()
    assert _movements(banks) == ["att_timeout"]


def test_a_patient_caller_gets_the_answer_after_the_hold(banks: Banks) -> None:
    started = time.monotonic()
    assert banks.authorize("att_patient", payer_vpa="timeout@khata").status_code == 200
    assert time.monotonic() - started >= 1.9
    assert banks.authorize("att_gone", payer_vpa="lost@khata").status_code == 504


async def _storm(url: str, bodies: list[dict[str, Any]], path: str) -> list[httpx.Response]:
    limits = httpx.Limits(max_connections=50)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=20, trust_env=False) as many:
        return await asyncio.gather(
            *(
                many.post(path, headers={"Idempotency-Key": one["reference"]}, json=one)
                for one in bodies
            )
        )


def test_fifty_copies_at_once_have_one_effect(banks: Banks) -> None:
    path = "/rails/upi_hdfc/authorize"
    answers = asyncio.run(_storm(banks.url, [body("att_same")] * 50, path))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert _movements(banks) == ["att_same"]
    refund = {
        "reference": "att_back",
        "amount": 12_345,
        "currency": "INR",
        "original_reference": "att_same",
    }
    refunds = [refund | {"reference": f"att_back{n}"} for n in range(20)]
    answers = asyncio.run(_storm(banks.url, refunds * 2, "/rails/upi_hdfc/refund"))
    assert sum(answer.json()["status"] == "approved" for answer in answers) == 2
    assert len(_movements(banks)) == 2


@pytest.mark.parametrize(
    ("line", "content", "status", "param"),
    [
        ("POST /rails/upi_hdfc/authorize", b"{", 400, None),
        ("POST /rails/upi_hdfc/authorize", b'{"reference": "att_x"}', 400, "amount"),
        ("POST /rails/upi_hdfc/authorize", b"\xff\x00", 400, None),
        ("POST /rails/upi_hdfc/authorize", b"x" * 100_000, 413, None),
        ("POST /rails/upi_axis/authorize", b"{}", 404, "rail"),
        ("POST /rails/upi_hdfc/steal", b"{}", 404, "operation"),
        ("POST /payer/approve", b'{"reference": 5}', 400, "reference"),
        ("POST /payer/approve", b'{"reference": "att_nobody"}', 404, "reference"),
        ("POST /admin/close-day", b'{"bank_day": "soon", "inbox": "/x"}', 400, "bank_day"),
        (
            "POST /admin/close-day",
            b'{"bank_day": "2020-01-01", "inbox": "here"}',
            400,
            "inbox",
        ),
        (
            "POST /admin/close-day",
            b'{"bank_day": "2999-01-01", "inbox": "/x"}',
            409,
            "bank_day",
        ),
        ("POST /admin/faults", b'{"bank_day": "2026-11-16", "missing": -1}', 400, "missing"),
        ("POST /admin/opening", b'{"bank": "axis", "amount_minor": 1}', 400, "bank"),
        (
            "POST /admin/disputes",
            b'{"original_reference": "att_nobody"}',
            404,
            "original_reference",
        ),
        ("POST /admin/disputes", b'{"original_reference": "att_x", "amount": 0}', 400, "amount"),
        ("POST /admin/disputes/dsp_x/lost", b"", 404, "reference"),
        ("POST /admin/disputes/dsp_x/drawn", b"", 404, "verdict"),
        ("GET /rails/card_a/disputes/dsp_x", b"", 404, None),
        ("POST /rails/card_a/disputes/dsp_x/evidence", b'{"evidence": ""}', 400, "evidence"),
        ("POST /rails/card_a/disputes/dsp_x/evidence", b'{"evidence": "x"}', 404, "reference"),
        ("POST /3ds/att_x", b"result=perhaps", 400, "result"),
        ("POST /3ds/att_x", b"\xff\x00", 400, "result"),
        ("POST /3ds/att_x", b"result=approve", 404, "reference"),
        ("GET /rails/upi_hdfc/operations/%00%ff", b"", 404, None),
        ("GET /nowhere", b"", 404, None),
        ("PUT /rails/upi_hdfc/authorize", b"{}", 405, None),
    ],
)
def test_malformed_input_is_the_callers_fault(
    shared: Banks, line: str, content: bytes, status: int, param: str | None
) -> None:
    method, path = line.split()
    headers = {"Idempotency-Key": "att_bad"}
    answer = shared.client.request(method, path, content=content, headers=headers)
    assert answer.status_code == status
    assert answer.json().get("param") == param


def test_a_key_is_required(shared: Banks) -> None:
    answer = shared.client.post("/rails/upi_hdfc/authorize", json=body("att_nokey"))
    assert (answer.status_code, answer.json()["param"]) == (400, "Idempotency-Key")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Banks]:
    running = Banks(tmp_path_factory.mktemp("banks"))
    yield running
    running.close()


async def _load(banks: Banks, stop_after: int) -> tuple[list[str], list[str]]:
    """Pay from many connections until the process is killed; sent and acknowledged references."""
    sent: list[str] = []
    acknowledged: list[str] = []
    async with httpx.AsyncClient(base_url=banks.url, timeout=10, trust_env=False) as client:

        async def payer(who: int) -> None:
            for number in range(10_000):
                reference = f"att_load_{who}_{number}"
                sent.append(reference)
                try:
                    answer = await client.post(
                        "/rails/upi_hdfc/authorize",
                        headers={"Idempotency-Key": reference},
                        json=body(reference),
                    )
                except httpx.TransportError:
                    return
                assert answer.json()["status"] == "approved"
                acknowledged.append(reference)
                if len(acknowledged) == stop_after:
                    os.kill(banks.process.pid, signal.SIGKILL)

        await asyncio.gather(*(payer(who) for who in range(30)))
    return sent, acknowledged


def test_a_kill_under_load_loses_nothing_that_was_answered(banks: Banks) -> None:
    sent, acknowledged = asyncio.run(_load(banks, stop_after=500))
    assert len(acknowledged) >= 500
    banks.process.wait(timeout=10)
    banks.start()
    moved = _movements(banks)
    assert len(moved) == len(set(moved))
    assert set(acknowledged) <= set(moved) <= set(sent)
    for reference in acknowledged[-3:]:
        assert banks.enquire(reference)["status"] == "approved"
    # Whoever heard nothing sends again with the same key: still one payment each.
    for reference in set(sent) - set(acknowledged):
        assert banks.authorize(reference).json()["status"] == "approved"
    moved = _movements(banks)
    assert sorted(moved) == sorted(sent)
    db = sqlite3.connect(banks.data / "bank.sqlite")
    assert db.execute("pragma integrity_check").fetchone() == ("ok",)
    db.close()


def test_a_terminated_sandbox_lets_held_callers_go(banks: Banks) -> None:
    banks.stop()
    banks.arguments = ("--hold-s", "60")
    banks.start()
    answers: list[int] = []
    held = threading.Thread(
        target=lambda: answers.append(
            banks.authorize("att_held", payer_vpa="timeout@khata").status_code
        )
    )
    held.start()
    time.sleep(0.5)
    assert banks.stop() == 0
    held.join(timeout=5)
    assert answers == [200]


def challenge(banks: Banks, reference: str, return_url: str | None = None) -> str:
    """A card payment that waits for its payer; gives the address of the page."""
    answer = banks.client.post(
        "/rails/card_a/authorize",
        headers={"Idempotency-Key": reference},
        json={
            "reference": reference,
            "amount": 12_499_900,
            "currency": "INR",
            "card": {"pan": "4000000000003220", "exp_month": 12, "exp_year": 2031, "cvc": "123"},
            **({"return_url": return_url} if return_url else {}),
        },
    )
    link: str = answer.json()["next_action"]["link"]
    return link


def test_the_page_of_a_challenge(shared: Banks) -> None:
    back = 'https://shop.example/done?a=1&b="><script>'
    link = challenge(shared, "att_page", back)
    assert link == f"{shared.url}/3ds/att_page"
    page = shared.client.get(link)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "form-action 'self' https://shop.example;" in policy
    assert "unsafe" not in policy
    style = page.text.partition("<style>")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert '<html lang="en">' in page.text
    assert "₹1,24,999.00" in page.text
    assert "3220" in page.text
    assert "4000000000003220" not in page.text
    assert "<script" not in page.text
    for outside in ("src=", "url(", "@import", "http-equiv"):
        assert outside not in page.text
    said = shared.client.post(link, data={"result": "approve"})
    assert said.status_code == 303
    assert said.headers["location"] == "https://shop.example/done?a=1&b=%22%3E%3Cscript%3E"
    # Again, or the other button: nothing changes.
    for result in ("approve", "fail"):
        assert shared.client.post(link, data={"result": result}).status_code == 303
    done = shared.client.get(link).text
    assert "Payment confirmed" in done
    assert "<script" not in done
    assert "&quot;&gt;&lt;script&gt;" in done
    found = shared.client.get("/rails/card_a/operations/att_page").json()
    assert (found["status"], found["checks"]["authentication"]) == ("approved", "challenged")


def test_a_page_without_a_way_back(shared: Banks) -> None:
    for number, back in enumerate((None, "https://a@b.example/x", "https://x;y.example/")):
        link = challenge(shared, f"att_stay_{number}", back)
        policy = shared.client.get(link).headers["content-security-policy"]
        assert "form-action 'self';" in policy
        said = shared.client.post(link, data={"result": "fail"})
        assert said.headers["location"] == f"/3ds/att_stay_{number}"
        page = shared.client.get(said.headers["location"])
        assert "Payment not confirmed" in page.text
        assert "You may close this page." in page.text
        assert "<form" not in page.text
    gone = shared.client.get("/3ds/att_nobody")
    assert (gone.status_code, "No such payment" in gone.text) == (404, True)


def test_the_address_of_the_page_is_a_setting(tmp_path: Path) -> None:
    banks = Banks(tmp_path, "--public-url", "https://bank.example/")
    try:
        assert challenge(banks, "att_public") == "https://bank.example/3ds/att_public"
    finally:
        banks.close()


def _statements(day: str) -> list[str]:
    """One of each bank, in its own format."""
    return [f"hdfc_camt053_{day}.xml", f"icici_mt940_{day}.sta"]


def test_days_close_by_the_shared_clock(tmp_path: Path) -> None:
    clock, inbox = tmp_path / "clock.json", tmp_path / "inbox"
    day = datetime(2026, 11, 16, 10, 0, tzinfo=IST)
    write_offset(clock, day)
    banks = Banks(tmp_path / "sandbox", "--clock", str(clock))
    try:
        assert banks.admin("opening", bank="hdfc", amount_minor=5_000_000).status_code == 200
        assert banks.admin("faults", bank_day="2026-11-16").json()["late"] == 2
        for number in range(12):
            assert banks.authorize(f"att_{number:04d}").status_code == 200
        early = banks.admin("close-day", bank_day="2026-11-17", inbox=str(inbox))
        assert early.status_code == 409
        about: dict[str, Any] = {"bank_day": "2026-11-16", "inbox": str(inbox)}
        assert banks.admin("close-cycle", cycle="XI", **about).status_code == 400
        answer = banks.admin("close-cycle", cycle="V", **about).json()
        cycle = "upi_hdfc_settlement_2026-11-16_c05.csv"
        assert [Path(path).name for path in answer["files"]] == [cycle]
        written = (inbox / cycle).read_bytes()
        write_offset(clock, day.replace(hour=13, minute=30))
        assert banks.authorize("att_later").status_code == 200
        names = []
        for after in (1, 2, 3):
            write_offset(clock, day.replace(hour=1) + timedelta(days=after))
            closed = (day + timedelta(days=after - 1)).date().isoformat()
            answer = banks.admin("close-day", bank_day=closed, inbox=str(inbox))
            names.append([Path(path).name for path in answer.json()["files"]])
        assert names == [
            [*_statements("2026-11-16"), cycle, "upi_hdfc_settlement_2026-11-16_c07.csv"],
            _statements("2026-11-17"),
            [*_statements("2026-11-18"), "upi_hdfc_settlement_2026-11-18_c01.csv"],
        ]
        assert len(list(inbox.iterdir())) == 9
        truth = banks.client.get("/admin/truth").json()
        assert len(truth["faults"]) == 11
        assert (inbox / cycle).read_bytes() == written
        stored = (tmp_path / "sandbox" / "truth.json").read_bytes()
        assert httpx.Response(200, content=stored).json() == truth
    finally:
        banks.close()
