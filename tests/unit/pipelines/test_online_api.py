"""The door to online: tokens, patience, order of answers."""

import json
from pathlib import Path

import dagster as dg
import httpx
import pytest

from pipelines import resources
from pipelines.resources import OnlineApi, Site


class Service:
    """Answers as online would; `script` gives the statuses of the next internal calls."""

    def __init__(self, *script: int) -> None:
        self.script = list(script)
        self.tokens = 0
        self.bodies: list[bytes] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/v1/auth/token":
            self.tokens += 1
            return httpx.Response(200, json={"access_token": f"t{self.tokens}"})
        assert request.headers["authorization"] == f"Bearer t{self.tokens}"
        status = self.script.pop(0) if self.script else 200
        if status != 200:
            return httpx.Response(status, json={"code": "no"})
        self.bodies.append(request.content)
        lines = [json.loads(line) for line in request.content.splitlines()]
        if request.headers["content-type"] != "application/x-ndjson":
            return httpx.Response(200, json={"got": lines[0]})
        answers = (json.dumps({"n": line["n"], "status": "posted"}) for line in lines)
        return httpx.Response(200, text="\n".join(answers))


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resources.time, "sleep", lambda _: None)


def api(service: Service, tmp_path: Path) -> OnlineApi:
    (tmp_path / "dev.json").write_text(json.dumps({"base_url": "http://online"}))
    return OnlineApi(Site.of(tmp_path), httpx.MockTransport(service))


def test_lines_are_answered_in_order_over_several_requests(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "_MAX_BODY_BYTES", 64)
    service = Service()
    answers = api(service, tmp_path).send_lines("postings", [{"n": n} for n in range(40)])
    assert [answer["n"] for answer in answers] == list(range(40))
    assert len(service.bodies) > 1
    assert all(len(body) <= 64 for body in service.bodies)


def test_no_lines_is_no_request(tmp_path):
    service = Service()
    assert api(service, tmp_path).send_lines("postings", []) == []
    assert service.tokens == 0


def test_a_token_that_ran_out_is_renewed_once_and_kept(tmp_path):
    service = Service(401)
    door = api(service, tmp_path)
    assert door.send("work/claim", {"n": 1}) == {"got": {"n": 1}}
    assert door.send("work/claim", {"n": 2}) == {"got": {"n": 2}}
    assert service.tokens == 2


def test_trouble_is_waited_out(tmp_path):
    assert api(Service(503, 502, 429), tmp_path).send("work/claim", {}) == {"got": {}}


@pytest.mark.parametrize("status", [400, 403, 409, 422])
def test_a_refusal_is_not_repeated(tmp_path, status):
    service = Service(status)
    with pytest.raises(dg.Failure, match=str(status)):
        api(service, tmp_path).send("statements", {})
    assert service.script == []
    assert service.bodies == []


def test_patience_ends(tmp_path):
    with pytest.raises(dg.Failure, match="503"):
        api(Service(*[503] * 20), tmp_path).send("statements", {})


def test_what_the_environment_says_comes_before_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("KHATA_OFFLINE_BASE_URL", "https://khata.example")
    (tmp_path / "dev.json").write_text(json.dumps({"base_url": "http://online"}))
    site = Site.of(tmp_path)
    assert site.base_url == "https://khata.example"
    assert site.lake_catalog == f"{tmp_path}/lake.ducklake"
