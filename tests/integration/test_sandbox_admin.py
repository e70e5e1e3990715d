"""The banks' behaviour is changed while they run, survives them, and blocks nobody else."""

import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.integration.test_sandbox import Banks

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "sandbox_faults.yaml"


@pytest.fixture
def banks(tmp_path: Path) -> Iterator[Banks]:
    running = Banks(tmp_path / "sandbox", "--hold-s", "1")
    yield running
    running.close()


def pay(banks: Banks, reference: str, vpa: str = "asha@ybl") -> httpx.Response:
    return banks.authorize(reference, payer_vpa=vpa)


def set_script(banks: Banks, text: str) -> Any:
    answer = banks.client.put("/admin/script", content=text)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_rail_is_changed_and_set_right_while_it_runs(banks: Banks) -> None:
    assert banks.client.get("/admin/script").json() == {}
    assert pay(banks, "att_before").json()["status"] == "approved"
    part = {"mix": {"technical_decline": 1}}
    changed = banks.client.post("/admin/rails/upi_hdfc/behaviour", json=part)
    assert changed.json() == {"rails": {"upi_hdfc": part}}
    assert pay(banks, "att_during").json()["status"] == "failed"
    assert pay(banks, "att_asked", "success@khata").json()["status"] == "approved"
    assert pay(banks, "att_before").json()["status"] == "approved"  # its first answer
    banks.client.delete("/admin/rails/upi_hdfc/behaviour")
    assert pay(banks, "att_after").json()["status"] == "approved"
    assert pay(banks, "att_during").json()["status"] == "failed"


def test_a_script_survives_a_kill_and_chance_with_it(banks: Banks) -> None:
    text = "seed: 3\nrails: {'*': {mix: {technical_decline: 0.3, decline: 0.3}}}"
    script = set_script(banks, text)
    references = [f"att_{number:04d}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda r: pay(banks, r).json()["code"], references))
    assert len(set(first)) == 3
    banks.process.kill()
    banks.process.wait()
    banks.start()
    assert banks.client.get("/admin/script").json() == script
    (banks.data / "elsewhere").mkdir()
    other = Banks(banks.data / "elsewhere")
    try:
        set_script(other, text)
        backwards = {r: pay(other, r).json()["code"] for r in reversed(references)}
    finally:
        other.close()
    assert [backwards[reference] for reference in references] == first


def test_a_file_counts_until_it_is_changed(tmp_path: Path) -> None:
    file = tmp_path / "script.yaml"
    file.write_text("rails: {'*': {mix: {decline: 1}}}")
    banks = Banks(tmp_path / "sandbox", "--script", str(file))
    try:
        assert pay(banks, "att_one").json()["status"] == "declined"
        banks.client.delete("/admin/script")
        banks.stop()
        banks.start()
        assert pay(banks, "att_two").json()["status"] == "approved"
        file.write_text("rails: {'*': {mix: {technical_decline: 1}}}")
        banks.stop()
        banks.start()
        assert pay(banks, "att_three").json()["status"] == "failed"
    finally:
        banks.close()


def test_a_slow_rail_keeps_nobody_else_waiting(banks: Banks) -> None:
    part = {"latency_ms": {"fixed": 1_500}}
    banks.client.post("/admin/rails/upi_hdfc/behaviour", json=part)

    def slow(number: int) -> float:
        started = time.monotonic()
        with httpx.Client(base_url=banks.url, timeout=10, trust_env=False) as client:
            client.get(f"/rails/upi_hdfc/operations/att_{number}")
        return time.monotonic() - started

    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(slow, number) for number in range(40)]
        time.sleep(0.3)
        started = time.monotonic()
        for number in range(20):
            banks.client.get(f"/rails/upi_icici/operations/att_{number}")
        others = time.monotonic() - started
        assert min(future.result() for future in waiting) >= 1.5
    assert others < 1.2  # twenty, while forty were held


def test_the_records_can_be_read(banks: Banks) -> None:
    for number in range(5):
        pay(banks, f"att_{number:04d}", "decline@khata" if number == 3 else "asha@ybl")
    page = banks.client.get("/admin/operations", params={"limit": 3, "rail": "upi_hdfc"}).json()
    assert [row["reference"] for row in page["data"]] == ["att_0000", "att_0001", "att_0002"]
    assert page["has_more"]
    rest = banks.client.get("/admin/operations", params={"after": "att_0002"}).json()
    assert [(row["reference"], row["status"]) for row in rest["data"]] == [
        ("att_0003", "declined"),
        ("att_0004", "approved"),
    ]
    assert not rest["has_more"]
    moved = banks.client.get("/admin/movements").json()["data"]
    assert [row["reference"] for row in moved] == [f"att_{n:04d}" for n in (0, 1, 2, 4)]
    one = banks.client.get("/admin/operations/att_0004").json()
    assert (one["code"], one["movements"]) == ("00", [moved[-1]])
    assert banks.client.get("/admin/operations/att_nobody").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "content", "status", "param"),
    [
        ("PUT", "/admin/script", "rails: {card_a: {mix: {lots: 1}}}", 400, "rails.card_a.mix.lots"),
        ("PUT", "/admin/script", "{", 400, None),
        ("POST", "/admin/rails/nobody/behaviour", "{}", 404, "rail"),
        ("POST", "/admin/rails/upi_hdfc/behaviour", '{"mix": {"lost": 2}}', 400, "mix.lost"),
        ("DELETE", "/admin/rails/nobody/behaviour", "", 404, "rail"),
        ("GET", "/admin/operations?limit=0", "", 400, "limit"),
        ("GET", "/admin/operations?rail=nobody", "", 404, "rail"),
    ],
)
def test_what_cannot_be_is_refused(
    banks: Banks, method: str, path: str, content: str, status: int, param: str | None
) -> None:
    answer = banks.client.request(method, path, content=content)
    assert answer.status_code == status, answer.text
    assert answer.json().get("param") == param
    assert banks.client.get("/admin/script").json() == {}


def test_the_page_s_commands_work(banks: Banks) -> None:
    """Each `curl` of docs/sandbox.md, as it stands there but for the port; one that leaves a
    reference open is a pattern."""
    page = (ROOT / "docs" / "sandbox.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    commands = [line for block in blocks for line in block.splitlines() if line.startswith("curl")]
    commands = [command for command in commands if "…" not in command]
    assert len(commands) >= 8
    for command in commands:
        words = shlex.split(command.replace("127.0.0.1:8090", f"127.0.0.1:{banks.port}"))
        run = subprocess.run(
            [*words, "--fail-with-body"], cwd=ROOT, capture_output=True, timeout=20, check=False
        )
        assert run.returncode == 0, (command, run.stdout, run.stderr)


def test_the_process_says_where_it_is(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "online.sandbox", "serve", "--port", port]
    command += ["--data", str(tmp_path / "banks"), "--script", str(EXAMPLE)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(7))
        url = f"http://127.0.0.1:{port}"
        for word in (f"{url}/rails/upi_hdfc", f"{url}/admin/script", str(tmp_path / "banks")):
            assert word in said
        assert httpx.get(f"{url}/admin/script").json()["seed"] == 7
    finally:
        process.terminate()
        process.wait(20)


def test_a_script_that_cannot_be_read_is_no_start(tmp_path: Path) -> None:
    (tmp_path / "script.yaml").write_text("rails: {upi_hdfc: {mix: {lots: 1}}}")
    command = [sys.executable, "-m", "online.sandbox", "serve", "--port", "1"]
    command += ["--data", str(tmp_path), "--script", str(tmp_path / "script.yaml")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode != 0
    assert "rails.upi_hdfc.mix.lots" in run.stderr
    assert "Traceback" not in run.stderr
