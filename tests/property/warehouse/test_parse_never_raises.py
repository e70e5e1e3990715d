"""Whatever bytes arrive: an answer, and no row without every check passed."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from online.sandbox import camt, switch_file
from tests.unit.warehouse.books import DAY, bank_file, noon, rail_file, rail_line
from warehouse.bank_files.parse import parse

_SWITCH = switch_file.render(
    rail_file([rail_line("att_a", 123_450, noon(DAY)), rail_line("att_b", -99, noon(DAY))], DAY)
)
_CAMT = camt.render(
    bank_file(DAY, 100, camt.StatementEntry("stray", 5_000, "UTR1", "NOTPROVIDED", "SOMEONE"))
)
_DISPUTES = b"""reference,original_reference,amount,currency,reason_code,status,respond_by
CB1,att_a,1234.50,INR,10.4,open,2026-12-06T12:00:00+05:30
"""
_NAME = f"disputes_card_a_{DAY}.csv"
_WORDS = st.sampled_from(
    [b"", b"\x00", b"-", b"9" * 5000, b"1e5", b"NaN", b"\xff\xfe", b'"', b"\n", b",", b"<", b"&#0;"]
)


@given(st.binary(max_size=2_000))
@example(b"<?xml version='1.0' encoding='nonsense'?><camt.05/>")
@example(b"\xff\xfe<\x00c\x00")
@example(b"<BkToCstmrStmt><Stmt/><Stmt><Bal/><Ntry/></Stmt></BkToCstmrStmt>")
def test_arbitrary_bytes(data: bytes) -> None:
    file = parse(data, _NAME)
    assert file.problems


@settings(max_examples=300)
@given(
    st.sampled_from([_SWITCH, _CAMT, _DISPUTES]),
    st.lists(
        st.tuples(st.integers(0, 4_000), st.integers(0, 40), st.binary(max_size=6) | _WORDS),
        min_size=1,
        max_size=3,
    ),
)
def test_damaged_files(good: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    data = good
    for at, length, put in cuts:
        start = at % (len(data) + 1)
        data = data[:start] + put + data[start + length :]
    file = parse(data, _NAME)
    assert all(row.amount_minor > 0 for row in file.dispute_rows)
    for row in file.rail_rows:
        assert row.gross_minor - row.fee_minor - row.tax_minor == row.net_minor
    if not file.problems:
        for statement in file.statements:
            if statement.opening_minor is not None and statement.closing_minor is not None:
                booked = sum(line.amount_minor for line in statement.lines if not line.pending)
                assert statement.opening_minor + booked == statement.closing_minor
