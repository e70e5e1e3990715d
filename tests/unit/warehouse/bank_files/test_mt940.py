"""MT940 and MT942: the liberties that banks take, and the faults that must not pass."""

from datetime import UTC, date, datetime

import pytest

from warehouse.bank_files.model import BankFile, BankLine, Statement
from warehouse.bank_files.parse import parse

HEAD = ":20:KHATA\n:25:50200012345678\n:28C:1/1\n:60F:C240101INR100,00\n"


def _statement(entry: str, closing: str, *, head: str = HEAD) -> BankFile:
    return parse(f"{head}:61:{entry}\n:62F:{closing}\n-\n".encode(), "x")


def _line(entry: str, closing: str, *, head: str = HEAD) -> BankLine:
    file = _statement(entry, closing, head=head)
    assert file.problems == []
    return file.statements[0].lines[0]


def _faults(file: BankFile) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.field, problem.reason) for problem in file.problems]


@pytest.mark.parametrize(
    ("mark", "sign"),
    [("C", 1), ("D", -1), ("RC", -1), ("RD", 1), ("CR", 1), ("DR", -1), ("RCR", -1), ("RDR", 1)],
)
def test_reversals_turn_the_sign_and_the_funds_code_does_not(mark: str, sign: int) -> None:
    closing = "C240102INR110,00" if sign > 0 else "C240102INR90,00"
    assert _line(f"2401020102{mark}10,00NTRFNONREF", closing).amount_minor == sign * 1000


@pytest.mark.parametrize(("mark", "sign"), [("EC", 1), ("ED", -1)])
def test_an_expected_entry_is_pending_and_not_part_of_the_balance(mark: str, sign: int) -> None:
    line = _line(f"240102{mark}10,00NTRFNONREF", "C240102INR100,00")
    assert (line.amount_minor, line.pending) == (sign * 1000, True)


@pytest.mark.parametrize(
    ("amount", "minor", "closing"),
    [
        ("0000000012,50", 1250, "112,50"),
        ("12.50", 1250, "112.50"),
        ("7,5", 750, "107,50"),
        ("7,", 700, "107,"),
        (",02", 2, "100,02"),
        ("1,20,000.00", 12_000_000, "120100,00"),
        ("1.234,56", 123_456, "1334,56"),
        ("12,34,567.5", 123_456_750, "1234667,50"),
    ],
)
def test_amounts_of_every_notation(amount: str, minor: int, closing: str) -> None:
    line = _line(f"240102C{amount}NTRFNONREF", f"C240102INR{closing}")
    assert line.amount_minor == minor


@pytest.mark.parametrize(
    ("currency", "amount", "minor"), [("JPY", "1500,", 1500), ("BHD", "1,500", 1500)]
)
def test_decimals_are_those_of_the_currency(currency: str, amount: str, minor: int) -> None:
    head = HEAD.replace("INR100,00", f"{currency}0,")
    line = _line(f"240102C{amount}NTRF", f"C240102{currency}{amount}", head=head)
    assert (line.amount_minor, line.currency) == (minor, currency)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("240102C12,505NTRF", "may be decimals or thousands"),
        ("240102C1.500NTRF", "may be decimals or thousands"),
        ("240102C0,005NTRF", "has a fraction of a minor unit"),
        ("240102C1,234,56NTRF", "marks thousands and decimals alike"),
        ("240102X12,50NTRF", "is not a statement line"),
        ("240102C", "is not a statement line"),
        ("24010C12,50NTRF", "is not a statement line"),
        (f"240102C{'9' * 40},00NTRF", "is not a decimal amount"),
        ("240102C99999999999999999999,00NTRF", "does not fit into 64 bits"),
    ],
)
def test_an_entry_that_cannot_be_read_keeps_the_whole_file_out(entry: str, reason: str) -> None:
    file = _statement(entry, "C240102INR100,00")
    assert file.statements == []
    assert file.problems[0].line == 5
    assert reason in file.problems[0].reason


@pytest.mark.parametrize(
    ("dates", "value", "booked"),
    [
        ("2402290301", date(2024, 2, 29), date(2024, 3, 1)),
        ("2312310102", date(2023, 12, 31), date(2024, 1, 2)),
        ("2401021231", date(2024, 1, 2), date(2023, 12, 31)),
        ("2303010229", date(2023, 3, 1), date(2024, 2, 29)),
        ("240102", date(2024, 1, 2), None),
        ("9912310101", date(1999, 12, 31), date(2000, 1, 1)),
        ("160230", date(2016, 2, 29), None),
        ("150230", date(2015, 2, 28), None),
    ],
)
def test_the_entry_date_is_of_the_nearest_year(
    dates: str, value: date, booked: date | None
) -> None:
    line = _line(f"{dates}C1,00NTRFNONREF", "C240102INR101,00")
    assert (line.value_date, line.booking_date) == (value, booked)
    assert ("stated_value_date" in line.details[0]) == dates.endswith("0230")


@pytest.mark.parametrize("dates", ["241302", "240431", "2401021332", "2401020431"])
def test_a_day_that_the_calendar_does_not_have_is_told(dates: str) -> None:
    file = _statement(f"{dates}C1,00NTRFNONREF", "C240102INR101,00")
    assert _faults(file) == [(5, "61", "is not a date")]
    assert file.statements[0].lines[0].amount_minor == 100


@pytest.mark.parametrize(
    ("tail", "code", "reference", "bank"),
    [
        ("NTRFINV42//B77", "NTRF", "INV42", "B77"),
        ("NTRFNONREF//B77", "NTRF", "B77", "B77"),
        ("NMSC", "NMSC", "", ""),
        ("NONREF", "", "", ""),
        ("NOV NONREF", "NOV", "", ""),
        ("NOVBNL29INGB0006475121", "NOVB", "NL29INGB0006475121", ""),
        ("S05168790452", "S051", "68790452", ""),
        ("NTRFTRANSFERWISE-CARD-1234567890//X/Y//Z", "NTRF", "TRANSFERWISE-CARD-1234567890", None),
    ],
)
def test_references(tail: str, code: str, reference: str, bank: str | None) -> None:
    line = _line(f"240102C1,00{tail}", "C240102INR101,00")
    assert line.details[0].get("transaction_code", "") == code
    assert line.reference == reference
    assert line.bank_reference == ("X/Y//Z" if bank is None else bank)


@pytest.mark.parametrize(
    ("information", "said"),
    [
        (
            "166?00GUTSCHRIFT?20EREF+E2E-7?21SVWZ+Rechn\nung 7?30COBADEFF?31DE8937?32MUE?33LLER",
            {
                "end_to_end_id": "E2E-7",
                "counterparty": "MUELLER",
                "counterparty_account": "DE8937",
                "counterparty_bank": "COBADEFF",
                "narrative": "Rechnung 7",
            },
        ),
        (
            "/TRTP/SEPA OVERBOEKING/IBAN/NL57INGB0001212121/NAME/CAFE M\nON/REMI/8977/EREF/E7",
            {
                "counterparty_account": "NL57INGB0001212121",
                "counterparty": "CAFE MON",
                "end_to_end_id": "E7",
                "narrative": "8977",
            },
        ),
        (
            "/EREF/E7//CNTP/NL21/RABO/CORP/City//REMI/USTD//Factuur 7/",
            {"end_to_end_id": "E7", "counterparty": "CORP", "narrative": "Factuur 7"},
        ),
        ("000>100987654321>20HUUR>310390", {"narrative": "HUUR", "counterparty_account": "0390"}),
        ("NEFT CR-SBIN0000123\nACME", {"narrative": "NEFT CR-SBIN0000123 ACME"}),
    ],
)
def test_dialects_of_the_information(information: str, said: dict[str, str]) -> None:
    file = parse(
        f"{HEAD}:61:240102C1,00NTRFNONREF\n:86:{information}\n:62F:C240102INR101,00\n".encode(), "x"
    )
    line = file.statements[0].lines[0]
    found = {**line.details[0], "narrative": line.narrative}
    assert said.items() <= found.items()
    assert line.reference == said.get("end_to_end_id", "")


def test_a_time_of_day_that_was_folded_is_no_field() -> None:
    text = f"{HEAD}:61:240102C1,00NTRF\n:86:166?20PAID 2024-01-01T20\n:20:15 OK\n"
    (statement,) = parse(f"{text}:62F:C240102INR101,00\n-\n".encode(), "x").statements
    assert statement.lines[0].narrative == "PAID 2024-01-01T20:20:15 OK"


def test_lines_that_were_folded_in_the_middle_of_a_field() -> None:
    text = f"{HEAD}:61:2401020102CR\n30,00NTRFNONREF\n:\n86:166?20Test\n:62F:C240102INR130,00\n"
    file = parse(text.encode(), "x")
    assert file.problems == []
    assert file.statements[0].lines[0].narrative == "Test"


def test_messages_of_a_file_in_envelopes_of_swift() -> None:
    message = (
        "{1:F01KHATINBBAXXX0000000000}{2:O9401200240101X}{3:{108:1}}{4:\r\n"
        ":20:A\r\n:25:1/2\r\n:28C:1/1\r\n:60F:C240101INR0,\r\n:62F:C240101INR0,\r\n-}{5:}"
    )
    for joined in (f"{message}\r\n{message}", f"{message}${message}", f"\x01{message}\x03"):
        file = parse(joined.encode(), "x")
        assert file.problems == []
        assert len(file.statements) == joined.count("{1:")
    file = parse(f"{message}\r\n{message[:-8]}".encode(), "x")
    assert [problem.field for problem in file.problems] == ["{4:"]


def test_a_field_may_end_by_at_signs() -> None:
    text = HEAD.replace("\n", "@@") + ":61:240102C1,00NTRF@@:86:A@@B@@:62F:C240102INR101,00@@-"
    file = parse(text.encode(), "x")
    assert file.problems == []
    assert file.statements[0].lines[0].narrative == "A B"


@pytest.mark.parametrize(
    ("account", "shown"),
    [
        ("NL47INGB0001212121INR", "NL47INGB0001212121"),
        ("NL10BUNQ2290325473 INR", "NL10BUNQ2290325473"),
        ("BPHKPLPK/320000546101", "BPHKPLPK/320000546101"),
        ("50200012345678USD", "50200012345678USD"),
    ],
)
def test_a_currency_behind_the_account_is_not_part_of_it(account: str, shown: str) -> None:
    head = HEAD.replace("50200012345678", account)
    (statement,) = _statement("240102C1,00NTRF", "C240102INR101,00", head=head).statements
    assert statement.account == shown


@pytest.mark.parametrize(
    ("old", "new", "field", "reason"),
    [
        (":62F:C240102INR101,00", ":62F:C240102INR102,00", "62F", "opening 10000 and entries 100"),
        (":62F:C240102INR101,00\n", "", "62F", "the closing balance is missing"),
        (":60F:C240101INR100,00\n", "", "60F", "the opening balance is missing"),
        (":25:50200012345678\n", "", "25", "names no account"),
        (":62F:C240102INR", ":62F:C240102EUR", "currency", "a statement has one currency"),
        (":62F:C240102INR101,00", ":62F:C240102INR1O1,00", "62F", "is not a balance"),
        (":62F:C240102", ":62F:C241302", "62F", "is not a date"),
        (":61:", ":62F:C240102INR101,00\n:61:", "61", "stands after the closing balance"),
        (":61:", ":60M:C240102INR1,00\n:61:", "60M", "stands twice in a message"),
        ("\n:61:", "\n :61:", "61", "the text has 1 entries, 0 were read"),
    ],
)
def test_a_control_that_does_not_hold_is_named(old: str, new: str, field: str, reason: str) -> None:
    text = f"{HEAD}:61:240102C1,00NTRFNONREF\n:62F:C240102INR101,00\n-\n"
    assert old in text
    found = _faults(parse(text.replace(old, new, 1).encode(), "x"))
    assert any(fault[1] == field and reason in fault[2] for fault in found), found


def test_an_interim_report_is_held_against_its_sums() -> None:
    text = (
        ":20:A\n:25:1\n:28C:1/1\n:34F:EURD5,00\n:34F:EURC7,00\n:13D:2401011200+0530\n"
        ":61:240102D10,00NTRF\n:61:240102C20,00NTRF\n:90D:1EUR10,00\n:90C:1EUR20,00\n-\n"
    )
    file = parse(text.encode(), "x")
    assert (file.format, file.problems) == ("mt942", [])
    assert file.statements[0].issued_at == datetime(2024, 1, 1, 6, 30, tzinfo=UTC)
    # Entries under the floor are only in the sums, so that these may be more.
    assert parse(text.replace("90C:1EUR20", "90C:3EUR25").encode(), "x").problems == []
    less = parse(text.replace("90C:1EUR20", "90C:1EUR19").encode(), "x")
    assert _faults(less) == [(10, "90C", "1 entries of 2000 are listed")]
    plain = text.replace(":34F:EURD5,00\n:34F:EURC7,00\n", ":34F:EUR0,\n")
    assert parse(plain.encode(), "x").problems == []
    more = parse(plain.replace("90C:1EUR20", "90C:3EUR25").encode(), "x")
    assert [fault[1] for fault in _faults(more)] == ["90C"]


def test_a_time_of_making_does_not_make_a_statement_an_interim_report() -> None:
    text = f"{HEAD}:13D:2401011200+0530\n:62F:C240102INR100,00\n-\n"
    assert (parse(text.encode(), "x").format, parse(text.encode(), "x").problems) == ("mt940", [])
    both = f"{text}:20:B\n:25:1\n:28C:1\n:34F:INR0,\n:13D:2401011200+0530\n-\n"
    assert [fault[2] for fault in _faults(parse(both.encode(), "x"))] == [
        "mixes statements and interim reports"
    ]


def test_a_fragment_is_shown_for_what_it_says() -> None:
    file = parse(b":61:110701CN50,00NZ10NONREF\r\n-", "x")
    assert file.statements == [
        Statement(
            account="",
            currency="",
            opening_minor=None,
            closing_minor=None,
            lines=file.statements[0].lines,
        )
    ]
    assert file.statements[0].lines[0].amount_minor == 5000
    assert "no currency is stated: amounts are in hundredths" in [f[2] for f in _faults(file)]


def test_another_swift_message_is_no_statement() -> None:
    text = "{1:F01X}{2:I103BANKBEBBXXXXN}{4:\n:20:A\n:32A:240101EUR1,00\n-}"
    file = parse(text.encode(), "x")
    assert file.statements == []
    assert file.problems[0].reason == "a SWIFT message of this type is no statement"
