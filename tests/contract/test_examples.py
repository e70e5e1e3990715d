"""Every public call has an example; every example is answered as it says and as documented."""

from collections.abc import Iterator

import pytest
import schemathesis

from online.platform.openapi_examples import Example
from tests.contract.documents import operations, whole_document
from tests.contract.live import live_on
from tests.contract.player import EXAMPLES, Player, operations_of
from tests.databases import as_role, fresh_database
from tests.gateways import settings_for

ADMIN = "admin-token-of-this-test"
DOCUMENT = whole_document()
API = schemathesis.openapi.from_dict(whole_document())

# Public operations without an example, and why.
WITHOUT: dict[str, str] = {}


@pytest.fixture(scope="module")
def player(postgres, template, tmp_path_factory) -> Iterator[Player]:
    with fresh_database(postgres, template) as owner:
        place = settings_for(
            as_role(postgres, owner, "khata_app"),
            tmp_path_factory.mktemp("data"),
            KHATA_SECURITY__ADMIN_TOKEN=ADMIN,
        )
        with live_on(place) as live:
            yield Player(live, ADMIN)


# In order, each on what the ones before it left.
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda e: f"{e.operation} {e.name}")
def test_an_example_is_answered_as_it_says_and_as_documented(player: Player, example: Example):
    answer = player.play(example)
    assert answer.status_code == example.status, answer.text
    method, _, path = example.operation.partition(" ")
    documented = DOCUMENT["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in documented
    kinds = documented[str(answer.status_code)].get("content", {})
    if answer.content:
        assert answer.headers["content-type"].partition(";")[0] in kinds
    API[path][method].validate_response(answer)


def test_every_public_operation_has_an_example_that_succeeds():
    public = {
        f"{method} {path}"
        for method, path, _ in operations(DOCUMENT)
        if path.startswith("/api/v1/")
    }
    shown = {
        operation
        for operation, examples in operations_of(EXAMPLES).items()
        if any(example.status < 300 for example in examples)
    }
    assert public - shown == set(WITHOUT)
    assert not shown - {f"{method} {path}" for method, path, _ in operations(DOCUMENT)}


def test_the_document_shows_the_examples_with_values_that_fit():
    for method, path, operation in operations(DOCUMENT):
        where = f"{method} {path}"
        for content in operation.get("requestBody", {}).get("content", {}).values():
            if path.startswith("/api/v1/"):
                assert content["examples"], where
            for shown in content.get("examples", {}).values():
                assert "{{" not in repr(shown["value"]), where
