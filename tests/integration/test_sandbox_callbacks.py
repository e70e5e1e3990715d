"""What the banks tell by themselves: signed, in order or not, again until it is taken, and after a
restart of theirs too."""

import json
import signal
import threading
from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from online.callbacks.signature import HEADER, check
from online.kernel.clock import SystemClock
from online.sandbox import callbacks
from online.sandbox.callbacks import Letter, mark_taken, plan, take_due
from online.sandbox.writer import connect
from tests.integration.test_sandbox import Banks, challenge

AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
SECRETS = {name: name.encode() * 8 for name in ("upi_hdfc", "card_a")}
ANSWER = {"status": "approved", "code": "00", "funding": "bank"}


class Ear:
    """A gateway that hears: `answers` are its next statuses, 202 after that."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[int] = []
        ear = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                rail = self.path.split("/")[3]
                secrets = {1: SECRETS[rail]}
                signed = check(self.headers[HEADER], content, secrets, SystemClock().now())
                assert signed == 1, signed
                ear.heard.append((self.path, json.loads(content)))
                self.send_response(ear.answers.pop(0) if ear.answers else 202)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def about(self, reference: str) -> list[tuple[str, int, str]]:
        """Id, sequence and status of what was told of it, in the order it came."""
        found = [said for _, said in self.heard if said["reference"] == reference]
        return [(said["id"], said["sequence"], said["status"]) for said in found]


@pytest.fixture
def ear() -> Iterator[Ear]:
    listening = Ear()
    yield listening
    listening.server.shutdown()
    listening.server.server_close()


@pytest.fixture
def banks(tmp_path: Path, ear: Ear) -> Iterator[Banks]:
    secrets = tmp_path / "secrets.json"
    secrets.write_text(json.dumps({k: b64encode(v).decode() for k, v in SECRETS.items()}))
    url = f"http://127.0.0.1:{ear.server.server_port}"
    running = Banks(tmp_path / "banks", "--callback-url", url, "--callback-secrets", str(secrets))
    yield running
    running.close()


def test_the_gateway_is_told_when_a_pending_payment_ends(banks: Banks, ear: Ear):
    assert banks.authorize("att_link", payer_vpa=None).json()["status"] == "pending"
    assert banks.authorize("att_later", payer_vpa="pending@khata").json()["code"] == "01"
    banks.client.post("/payer/approve", json={"reference": "att_link", "funding": "rupay_credit"})
    banks.wait_until(lambda: len(ear.heard) == 2)
    assert {path for path, _ in ear.heard} == {"/internal/rails/upi_hdfc/callbacks"}
    assert ear.about("att_later") == [("cb_att_later_1", 1, "approved")]
    (link,) = [said for _, said in ear.heard if said["reference"] == "att_link"]
    known = banks.enquire("att_link")
    assert {name: link[name] for name in known if name != "next_action"} == {
        name: value for name, value in known.items() if name != "next_action"
    }
    assert link["funding"] == "rupay_credit"


def test_the_gateway_is_told_of_challenges_refunds_and_disputes(banks: Banks, ear: Ear):
    banks.client.post(challenge(banks, "att_page"), data={"result": "approve"})
    paid = {
        "reference": "att_disputed",
        "amount": 150_000,
        "currency": "INR",
        "card": {"pan": "4000000000000259", "exp_month": 12, "exp_year": 2031},
    }
    refund = {
        "reference": "att_refund",
        "amount": 100_160,
        "currency": "INR",
        "original_reference": "att_page",
    }
    for operation, body in (("authorize", paid), ("refund", refund)):
        banks.client.post(
            f"/rails/card_a/{operation}",
            headers={"Idempotency-Key": str(body["reference"])},
            json=body,
        )
    banks.wait_until(lambda: len(ear.heard) == 3)
    assert banks.admin("disputes/dsp_disputed/lost").json()["status"] == "lost"
    opened = banks.admin("disputes", original_reference="att_page", amount=5).json()
    assert (opened["reference"], opened["amount"]) == ("dsp_page", 5)
    banks.wait_until(lambda: len(ear.heard) == 5)
    assert [status for _, _, status in ear.about("att_page")] == ["approved"]
    assert [status for _, _, status in ear.about("att_refund")] == ["approved"]
    assert [status for _, _, status in ear.about("dsp_disputed")] == ["open", "lost"]
    assert [said["type"] for _, said in ear.heard if said["reference"] == "dsp_page"] == ["dispute"]


def test_it_is_told_again_until_it_is_taken(banks: Banks, ear: Ear):
    ear.answers = [503, 401, 500]
    banks.authorize("att_later", payer_vpa="pending@khata")
    banks.wait_until(lambda: len(ear.heard) == 4)
    assert ear.about("att_later") == [("cb_att_later_1", 1, "approved")] * 4


def test_a_restart_loses_none_and_changes_none(banks: Banks, ear: Ear):
    ear.answers = [503] * 2
    banks.authorize("att_later", payer_vpa="pending@khata")
    banks.wait_until(lambda: len(ear.heard) == 1)
    banks.stop(signal.SIGKILL)
    banks.start()
    banks.wait_until(lambda: len(ear.heard) == 3)
    bodies = [said for _, said in ear.heard]
    assert bodies[0] == bodies[1] == bodies[2]


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ("callback_duplicate", [("_1", 1, "approved"), ("_1", 1, "approved"),
                                ("_1_again", 1, "approved")]),
        ("callback_out_of_order", [("_2", 2, "approved"), ("_1", 1, "pending")]),
        ("callback_lost", []),
    ],
)  # fmt: skip
def test_the_behaviours_of_callbacks(
    banks: Banks, ear: Ear, behaviour: str, told: list[tuple[str, int, str]]
):
    banks.authorize("att_odd", payer_vpa=f"{behaviour}@khata")
    banks.authorize("att_even", payer_vpa="pending@khata")
    wanted = [(f"cb_att_odd{end}", sequence, status) for end, sequence, status in told]
    banks.wait_until(lambda: len(ear.heard) == len(wanted) + 1)
    assert sorted(ear.about("att_odd")) == sorted(wanted)
    if told:
        assert ear.about("att_odd")[0] == wanted[0]


# ── the records, without a process ───────────────────────────────────────────────────────


def describe(_db: object, _rail: str, reference: str) -> dict[str, Any]:
    if reference == "att_gone":
        raise callbacks.NotFound("no such operation")
    return ANSWER


def due(db: Any, after_s: float = 0) -> list[Letter]:
    teller = {"operation": describe, "dispute": describe}
    return take_due(db, AT + timedelta(seconds=after_s), teller)


def test_what_is_due_is_sent_later_and_later_and_given_up():
    db = connect(":memory:")
    plan(db, rail="upi_hdfc", reference="att_one", due_at=AT)
    assert due(db, -0.001) == []
    now, times = 0.0, []
    for _ in range(60):
        if due(db, now):
            times.append(now)
        now += 30.0
    assert len(times) == 20
    assert due(db, 10**6) == []


def test_it_is_over_once_it_is_taken_and_when_there_is_nothing_to_say():
    db = connect(":memory:")
    plan(db, rail="upi_hdfc", reference="att_one", due_at=AT)
    plan(db, rail="upi_hdfc", reference="att_gone", due_at=AT)
    letters = due(db)
    assert [letter.callback_id for letter in letters] == ["cb_att_one_1"]
    mark_taken(db, letters, AT)
    assert due(db, 10**6) == []


def test_the_same_plans_give_the_same_bytes_whatever_the_order():
    def told(references: list[str]) -> list[bytes]:
        db = connect(":memory:")
        for reference in references:
            for manner in ("once", "out_of_order", "duplicate", "lost"):
                plan(db, rail="upi_hdfc", reference=reference, due_at=AT, manner=manner)
        return [letter.body for letter in due(db, 60)]

    assert told(["att_a", "att_b"]) == told(["att_b", "att_a"])
    ((_, ids),) = [("att_a", [json.loads(body)["id"] for body in told(["att_a"])])]
    assert sorted(ids) == sorted(
        [f"cb_att_a_{end}" for end in ("1", "2", "3", "4", "4", "4_again")]
    )
