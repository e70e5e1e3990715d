"""Bank statements of every format: what a writer puts in comes out, damage never goes unsaid."""

import re
from collections.abc import Callable
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.warehouse.bank_files.writers import Account, Entry, bai2, camt, mt940, mt942, ofx
from warehouse.bank_files.model import BankFile
from warehouse.bank_files.parse import parse

_WORD = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"
_REFERENCES = st.text(_WORD, min_size=3, max_size=16)
_TEXTS = st.text(_WORD + "abcdefgh.-+& ", min_size=1, max_size=40).map(str.strip).filter(bool)
_DAYS = st.dates(date(2000, 1, 1), date(2079, 12, 1))
_AMOUNTS = st.integers(-(10**12), 10**12)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    value = draw(_DAYS)
    booked = value + timedelta(days=draw(st.integers(-20, 20)))
    booked = min(max(booked, date(2000, 1, 1)), date(2079, 12, 31))
    return Entry(draw(_AMOUNTS), value, booked, f"R{draw(_REFERENCES)}"[:16], draw(_TEXTS))


@st.composite
def accounts(draw: st.DrawFn) -> Account:
    return Account(
        number=f"7{draw(st.text('0123456789', min_size=4, max_size=12))}",
        currency=draw(st.sampled_from(["INR", "EUR", "USD", "JPY", "BHD"])),
        opening=draw(_AMOUNTS),
        entries=tuple(draw(st.lists(entries(), max_size=6))),
    )


_PIECES = [b"\n:61:", b"-}", b"@@:", b"/", b"\n88,", b"</", b"<STMTTRN>", b"9" * 99]
_STARTS = [b":20:", b"{1:F01", b"01,a/\n", b"<OFX>"]

Writer = Callable[..., str]
WRITERS: dict[str, Writer] = {
    "mt940": mt940,
    "mt940-swift": lambda *found: mt940(*found, envelope=True, eol="\n"),
    "camt.053": camt,
    "camt.053.v1": lambda *found: camt(*found, version=1, prefix="n0"),
    "camt.052": lambda *found: camt(*found, kind="052", version=6),
    "bai2": bai2,
    "ofx": ofx,
    "ofx-xml": lambda *found: ofx(*found, xml=True, mark=","),
}


def _check(read: BankFile, written: list[Account], *, opening: bool = True) -> None:
    assert read.problems == []
    assert len(read.statements) == len(written)
    for statement, account in zip(read.statements, written, strict=True):
        assert (statement.account, statement.currency) == (account.number, account.currency)
        assert statement.closing_minor == account.closing
        if opening:
            assert statement.opening_minor == account.opening
        assert [
            (line.amount_minor, line.currency, line.value_date, line.reference, line.bank_reference)
            for line in statement.lines
        ] == [
            (entry.amount, account.currency, entry.value, entry.reference, "BANK")
            for entry in account.entries
        ]


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=60, deadline=None)
@given(written=st.lists(accounts(), min_size=1, max_size=3))
def test_what_is_written_is_read(form: str, written: list[Account]) -> None:
    read = parse(WRITERS[form](*written).encode(), "x")
    assert read.format == form.partition("-")[0].removesuffix(".v1")
    _check(read, written, opening=not form.startswith("ofx"))
    texts = [line.narrative for statement in read.statements for line in statement.lines]
    said = [" ".join(entry.text.split()) for account in written for entry in account.entries]
    if form.startswith("camt"):
        assert texts == said


@settings(deadline=None)
@given(written=accounts())
def test_an_interim_report_is_read(written: Account) -> None:
    read = parse(mt942(written).encode(), "x")
    assert (read.format, read.problems) == ("mt942", [])
    (statement,) = read.statements
    assert [line.amount_minor for line in statement.lines] == [e.amount for e in written.entries]
    assert (statement.opening_minor, statement.closing_minor) == (None, None)


@pytest.mark.parametrize("form", WRITERS)
@settings(deadline=None)
@given(written=st.lists(accounts(), min_size=1, max_size=2), data=st.data())
def test_one_wrong_digit_of_an_amount_is_seen(
    form: str, written: list[Account], data: st.DataObject
) -> None:
    if form.startswith("ofx"):
        return  # OFX states one balance and no control: a wrong digit cannot be seen in it
    text = WRITERS[form](*written)
    pattern = {
        "m": r":6[012]F?:\d{6}(?:\d{4})?[CD]|:6[02]F:[CD]\d{6}[A-Z]{3}",
        "c": r'Ccy="[A-Z]{3}">',
        "b": r"16,\d95,|88,015,|[A-Z]{3},010,",
    }[form[0]]
    starts = [match.end() for match in re.finditer(pattern, text)]
    at = data.draw(st.sampled_from(starts))
    at += text[at : at + 2].find("-") + 1
    digit = data.draw(st.sampled_from("0123456789").filter(lambda new: new != text[at]))
    read = parse((text[:at] + digit + text[at + 1 :]).encode(), "x")
    assert read.problems


@pytest.mark.parametrize("form", WRITERS)
@settings(max_examples=100, deadline=None)
@given(
    written=accounts(),
    cuts=st.lists(
        st.tuples(
            st.integers(0, 5_000),
            st.integers(0, 60),
            st.binary(max_size=6)
            | st.sampled_from(
                [b"\n:61:", b"-}", b"@@:", b"/", b"\n88,", b"</", b"<STMTTRN>", b"9" * 99]
            ),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_damage_never_raises(
    form: str, written: Account, cuts: list[tuple[int, int, bytes]]
) -> None:
    data = WRITERS[form](written).encode()
    for at, length, put in cuts:
        start = at % (len(data) + 1)
        data = data[:start] + put + data[start + length :]
    read = parse(data, "x")
    for statement in read.statements if not read.problems else []:
        if statement.opening_minor is not None and statement.closing_minor is not None:
            booked = sum(line.amount_minor for line in statement.lines if not line.pending)
            if statement.lines or not form.startswith("bai2"):
                assert statement.opening_minor + booked == statement.closing_minor


@pytest.mark.parametrize("form", WRITERS)
@settings(deadline=None)
@given(written=st.lists(accounts(), min_size=1, max_size=2), part=st.floats(0, 0.97))
def test_a_cut_off_file_is_refused(form: str, written: list[Account], part: float) -> None:
    data = WRITERS[form](*written).encode()
    data = data[: int(len(data) * part)]
    read = parse(data.rstrip(b"-\r\n") if form == "mt940" else data, "x")
    if form.startswith("mt940"):
        # A message says where it ends; nothing says how many there are.
        whole = data.count(b"-}" if form == "mt940-swift" else b":62F:")
        assert read.problems or len(read.statements) == whole
    else:
        assert read.problems


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_do_not_matter(codec: str, eol: str) -> None:
    entry = Entry(-12_345, date(2024, 2, 29), date(2024, 3, 1), "RECHNUNG1", "Müller Gebühr")
    account = Account("DE89370400440532013000", "EUR", 1_00, (entry,))
    for writer in (mt940, bai2):
        read = parse(writer(account, eol=eol).encode(codec), "x")
        assert read.problems == []
        assert read.statements[0].lines[0].narrative == "Müller Gebühr"
    data = ofx(account).replace("\n", eol).encode(codec)
    (line,) = parse(data, "x").statements[0].lines
    assert (line.narrative, line.amount_minor) == ("Müller Gebühr", -12_345)


@settings(deadline=None)
@given(data=st.binary(max_size=400), start=st.sampled_from(_STARTS))
def test_arbitrary_bytes_after_a_good_start(data: bytes, start: bytes) -> None:
    assert parse(start + data, "x").problems
