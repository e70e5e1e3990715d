"""TypeIDs: a prefix, 26 letters, and an order by time."""

import contextlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from online.kernel import ids

INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9000, 1, 1)).map(  # noqa: DTZ001
    lambda at: at.replace(tzinfo=UTC)
)
MILLISECOND = timedelta(milliseconds=1)


@given(st.sampled_from(sorted(ids.PREFIXES)), st.uuids(version=None))
def test_encoding_and_decoding_are_inverse(prefix, value):
    text = ids.encode(prefix, value)
    assert text.startswith(f"{prefix}_")
    assert len(text) == len(prefix) + 27
    assert ids.decode(prefix, text) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        # The examples of the TypeID specification.
        (UUID(int=0), "00000000000000000000000000"),
        (UUID(int=1), "00000000000000000000000001"),
        (UUID(int=32), "00000000000000000000000010"),
        (UUID(int=2**128 - 1), "7zzzzzzzzzzzzzzzzzzzzzzzzz"),
        (UUID("0110c853-1d09-52d8-d73e-1194e95b5f19"), "0123456789abcdefghjkmnpqrs"),
        (UUID("01890a5d-ac96-774b-bcce-b302099a8057"), "01h455vb4pex5vsknk084sn02q"),
    ],
)
def test_text_is_that_of_the_specification(value, text):
    assert ids.encode("pay", value) == f"pay_{text}"


GOOD = ids.encode("pay", ids.derived("x"))


@pytest.mark.parametrize(
    "text",
    [
        "", "pay", "pay_", GOOD[4:], f"_{GOOD[4:]}", f"att_{GOOD[4:]}", f"pay{GOOD[4:]}",
        GOOD[:-1], f"{GOOD}0", GOOD.upper(), f"pay_{GOOD[4:].upper()}", f"pay_8{GOOD[5:]}",
        f"pay_pay_{GOOD[4:]}", f"pay_{'i' * 26}", f"pay_0{'l' * 25}", f"pay_0{'u' * 25}",
        f"pay_0{'-' * 25}", f"pay_{'०' * 26}", f" {GOOD}", f"{GOOD}\n", GOOD.replace("_", "-"),
        f"pay_/{GOOD[5:]}", f"pay_0\x00{GOOD[6:]}",
    ],
)  # fmt: skip
def test_what_is_not_an_id_is_refused(text):
    with pytest.raises(ids.InvalidId):
        ids.decode("pay", text)


@given(st.text(max_size=40))
def test_no_text_is_more_than_refused(text):
    with contextlib.suppress(ids.InvalidId):
        assert ids.encode("pay", ids.decode("pay", text)) == text


@given(INSTANTS, st.integers(1, 10**6))
def test_ids_sort_by_time_to_the_millisecond(at, later_ms):
    first, second = ids.new(at), ids.new(at + later_ms * MILLISECOND)
    assert first < second
    assert ids.encode("pay", first) < ids.encode("pay", second)
    assert first.bytes < second.bytes


@given(INSTANTS, st.integers(0, 10**6))
def test_the_earliest_id_of_a_moment_stands_before_its_own_and_after_those_before(at, ms):
    assert ids.earliest(at) <= ids.new(at) < ids.earliest(at + (ms + 1) * MILLISECOND)


@given(INSTANTS)
def test_an_id_is_a_uuid_7_that_carries_its_millisecond(at):
    value = ids.new(at)
    assert (value.version, value.variant) == (7, "specified in RFC 4122")
    assert value.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // MILLISECOND


def test_ids_of_one_instant_differ():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert len({ids.new(at) for _ in range(10_000)}) == 10_000


def test_a_derived_id_is_the_same_for_the_same_parts_alone():
    assert ids.derived("a", "b") == ids.derived("a", "b")
    assert len({ids.derived("a", "b"), ids.derived("ab"), ids.derived("b", "a")}) == 3
    # Ids of accounts are in databases: the namespace and the separator may never change.
    assert ids.derived("account", "fees:mdr") == UUID("2bb58499-9b11-50cf-a4e0-8aa67752a183")
