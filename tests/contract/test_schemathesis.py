"""The whole OpenAPI document, tried against the whole service by Schemathesis.

Every operation is called with values from the edges of its schema, with values that break it, and
with values at random from a fixed seed: never a 500, never a status or a body that the document
does not name, never a good answer to what the document refuses.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import msgspec
import pytest
import schemathesis
import yaml
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.contract.documents import whole_document
from tests.contract.live import Live, live_on
from tests.contract.player import EXAMPLES, FOLDER, Player
from tests.databases import as_role, fresh_database
from tests.gateways import settings_for

ADMIN = "admin-token-of-this-test"
AT_RANDOM = 25
REFUSED = ["400", "401", "403", "404", "405", "409", "412", "413", "415", "422"]
ANSWERED = ["2xx", "401", "402", "403", "404", "409", "412", "422", "429", "503", "504"]


@schemathesis.serializer("application/x-ndjson")
def as_lines(_: Any, value: Any) -> bytes:
    """A body of one line: what the document describes is a line."""
    return msgspec.json.encode(value) + b"\n"


class Stage:
    """Where the service stands while it is tested: the document is read long before."""

    live: Live | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.live is not None
        await self.live(scope, receive, send)


# A break or a review takes each of these once, and the examples have left one for each.
_BREAK, _REVIEW = "POST /api/v1/breaks/{break_id}", "POST /api/v1/reviews/{review_id}"
SPARE_BREAKS = {
    f"{_BREAK}/resolve": "spare_resolve",
    f"{_BREAK}/write-off": "spare_write_off",
    f"{_BREAK}/write-off/approve": "spare_approve",
    f"{_BREAK}/write-off/reject": "spare_reject",
}
SPARE_BENEFICIARIES = {
    "POST /api/v1/payout-beneficiaries/{beneficiary_id}": "changed_beneficiary_id",
    "POST /api/v1/payout-beneficiaries/{beneficiary_id}/disable": "stopped_beneficiary_id",
}
SPARE_REVIEWS = {
    f"{_REVIEW}/claim": "free_review",
    f"{_REVIEW}/release": "held_review",
    f"{_REVIEW}/decide": "urgent_review",
}
# What has ended stays so, and says so again.
SPARE_DELEGATIONS = {"POST /api/v1/delegations/{delegation_id}/revoke": "ended_delegation_id"}
SPARE_REQUESTS = {
    "POST /api/v1/delegation-requests/{request_id}/decline": "declined_request_id",
}
STATUSES: dict[str, set[int]] = {}  # of each operation, those it was answered with
TURNS = count(1)
STAGE = Stage()
API = schemathesis.openapi.from_dict(
    whole_document(),
    config=SchemathesisConfig.from_dict(
        {
            "generation": {
                "deterministic": True,
                "max-examples": AT_RANDOM,
                "with-security-parameters": False,  # every call brings good ones of its own
            },
            # Rules between fields, and objects that must exist, are not in any schema; what may
            # never be said of a good shape is that it cannot be read (400, 413, 415).
            "checks": {
                "positive_data_acceptance": {"expected-statuses": ANSWERED},
                "negative_data_rejection": {"expected-statuses": REFUSED},
            },
        }
    ),
)
API.app = STAGE


@pytest.fixture(scope="module")
def world(postgres, template, tmp_path_factory) -> Iterator[Player]:
    """A running service with everything that the examples leave in it."""
    with fresh_database(postgres, template) as owner:
        place = settings_for(
            as_role(postgres, owner, "khata_app"),
            tmp_path_factory.mktemp("data"),
            KHATA_SECURITY__ADMIN_TOKEN=ADMIN,
        )
        with live_on(place) as live:
            STAGE.live = live
            player = Player(live, ADMIN)
            for example in EXAMPLES:
                player.play(example)
            yield player


@pytest.fixture(scope="module")
def tokens(world: Player) -> dict[str, dict[str, str]]:
    """What opens each scheme of the document."""
    return {
        "accessToken": world.credentials("merchant"),
        "internal": world.credentials("service"),
        "adminToken": world.credentials("admin"),
    }


@pytest.fixture(scope="module")
def known(world: Player) -> dict[str, str]:
    """The document's sample values, and what stands for them in this world."""
    samples = yaml.safe_load((FOLDER / "samples.yaml").read_text("utf-8"))
    return {sample: world.variables.get(name, sample) for name, sample in samples.items()}


@API.parametrize()
def test_api(case, world, tokens, known):
    """Examples are about objects that exist, and so is every other call at random.

    Paths name another payment than bodies do: one that is reversed cannot be refunded.
    """
    positive = case.meta is None or case.meta.generation.mode.is_positive
    if positive:
        case.body = real(case.body, known)
        if "Idempotency-Key" in (case.headers or {}):
            case.headers["Idempotency-Key"] = f"call-{next(TURNS)}"  # each is another call
        if next(TURNS) % 2:
            of = world.variables | {"payment_id": world.variables["card_payment_id"]}
            of["break_id"] = of[SPARE_BREAKS.get(case.operation.label, "break_id")]
            of["entry_id"] = of["spare_entry_id"]  # the examples have taken the other one off
            of["review_id"] = of[SPARE_REVIEWS.get(case.operation.label, "review_id")]
            of["beneficiary_id"] = of[
                SPARE_BENEFICIARIES.get(case.operation.label, "beneficiary_id")
            ]
            of["delegation_id"] = of[SPARE_DELEGATIONS.get(case.operation.label, "delegation_id")]
            of["request_id"] = of[SPARE_REQUESTS.get(case.operation.label, "request_id")]
            named = {name: of[name] for name in case.path_parameters or {} if name in of}
            case.path_parameters.update(named)
    # A bad line of many is refused by itself, in an answer that is good.
    by_line = case.media_type == "application/x-ndjson"
    excluded = [negative_data_rejection] if by_line else []
    headers = credentials(case.operation.definition.raw, tokens)
    answer = case.call_and_validate(headers=headers, excluded_checks=excluded)
    STATUSES.setdefault(case.operation.label, set()).add(answer.status_code)


def real(part: Any, known: dict[str, str]) -> Any:
    if isinstance(part, dict):
        return {key: real(inner, known) for key, inner in part.items()}
    if isinstance(part, list):
        return [real(inner, known) for inner in part]
    return known.get(part, part) if isinstance(part, str) else part


def credentials(operation: Any, tokens: dict[str, dict[str, str]]) -> dict[str, str]:
    schemes = [name for entry in operation["security"] for name in entry]
    if not schemes:
        return {}
    if "internal" in operation["tags"]:
        return tokens["internal"]
    # Finance reads breaks with the operator's token, not with a merchant's.
    return tokens["adminToken" if "breaks" in operation["tags"] else schemes[0]]


def test_the_calls_above_got_through():
    """Had everything been refused at the door, their answers would prove little."""
    assert len(STATUSES) == len(list(API.get_all_operations()))
    refused = [label for label, statuses in STATUSES.items() if min(statuses) >= 300]
    assert refused == []
