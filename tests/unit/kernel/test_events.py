"""Events: the schema that online and offline agree on."""

import json
import subprocess
import sys

import msgspec
import pytest

from online.kernel import events as ev
from online.kernel.events import EVENTS, Event, Metadata
from online.kernel.schemas import json_schemas
from online.ledger.aggregate import decode_event
from tests.architecture.source import ROOT
from tests.builders import an

DOCS = ROOT / "docs" / "events"
TYPES = sorted(EVENTS.values(), key=lambda event: event.TYPE)


def name(event_type):
    return event_type.TYPE


@pytest.mark.parametrize("full", [False, True], ids=["required", "full"])
@pytest.mark.parametrize("event_type", TYPES, ids=name)
def test_an_event_comes_back_from_json_as_it_was(event_type, full):
    event = an(event_type, full=full)
    stored = json.loads(msgspec.json.encode(event))
    again = decode_event(event_type.TYPE, stored)
    assert again == event
    assert type(again) is event_type


@pytest.mark.parametrize("event_type", TYPES, ids=name)
def test_an_event_of_a_later_schema_is_still_read(event_type):
    """A field is only ever added: an older reader leaves out what it does not know."""
    event = an(event_type)
    stored = json.loads(msgspec.json.encode(event)) | {"added_later": {"x": 1}}
    assert decode_event(event_type.TYPE, stored) == event


@pytest.mark.parametrize("event_type", TYPES, ids=name)
def test_types_are_named_by_aggregate_and_past(event_type):
    aggregate, _, what = event_type.TYPE.partition(".")
    assert aggregate in {
        *("intent", "payment", "attempt", "refund", "transfer", "settlement", "break", "label"),
        *("dispute", "device", "review", "risk_list", "risk_terms", "hold", "escrow"),
        *("handle", "delegation", "beneficiary", "payout", "delegation_request"),
        *("mandate", "mandate_execution", "wallet", "top_up"),
    }
    assert what
    assert len(event_type.TYPE) <= 100
    assert len(aggregate) <= 20  # the column's width
    assert event_type.SCHEMA_VERSION >= 1


def test_every_event_class_is_registered():
    classes = {
        value
        for value in vars(ev).values()
        if isinstance(value, type) and issubclass(value, Event) and "TYPE" in vars(value)
    }
    assert classes == set(EVENTS.values())


def test_metadata_round_trips():
    for metadata in (
        Metadata(),
        Metadata(actor="merchant:cli", request_id="r", correlation_id="c", causation_id="e"),
    ):
        assert msgspec.json.decode(msgspec.json.encode(metadata), type=Metadata) == metadata


def test_the_exported_schemas_are_those_of_the_code():
    exported = {path.stem: json.loads(path.read_text("utf-8")) for path in DOCS.glob("*.json")}
    assert exported == json_schemas(), "run `python -m online export-schemas`"


def test_exporting_writes_one_file_a_type(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "online", "export-schemas", "--out", str(tmp_path)],
        cwd=ROOT,
        check=True,
    )
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in DOCS.iterdir()
    }


@pytest.mark.parametrize(
    "secret", ["pan", "vpa", "phone", "email", "cvv", "cvc", "name", "ip", "address"]
)
def test_no_event_has_a_personal_field(secret):
    """A person can be forgotten while the books stay: events carry hashes and masks."""
    for event_type in TYPES:
        assert secret not in {field.name for field in msgspec.structs.fields(event_type)}
