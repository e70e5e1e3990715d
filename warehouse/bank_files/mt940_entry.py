"""One entry of an MT940: the statement line (`:61:`) and its information (`:86:`).

Belongs here: what is inside these two fields, in the dialects that banks use: German `?20`,
`/TAG/` of Dutch and SEPA banks, plain text. Does not: messages and balances (`mt940.py`).
"""

import re
from calendar import monthrange
from dataclasses import dataclass, field
from datetime import date

from warehouse.bank_files.model import BankLine
from warehouse.bank_files.values import Problems, rail_references

# 6!n[4!n]2a[1!a]15d1!a3!c16x[//16x], with the liberties that banks take.
_LINE = re.compile(
    r"(?P<value>\d{6})\s?(?P<entry>\d{4})?\s?(?P<mark>R[CD]|E[CD]|[CD])(?P<funds>[A-Z])?"
    r"\s?(?P<amount>[\d.,'’]+)(?P<rest>.*)",
    re.DOTALL | re.ASCII,
)
_CREDITS = {"C", "RD", "EC"}
# These say that the reference stands in the information, or that there is none.
_NO_REFERENCE = {
    "", "NONREF", "NOREF", "NOTPROVIDED", "EREF", "KREF", "PREF", "MREF", "MARF", "N/A",
}  # fmt: skip
_CODED = re.compile(r"\s?(\d{3})([?>@~^|])\d\d")
_SEPA = re.compile(r"(EREF|KREF|MREF|CRED|DEBT|SVWZ|ABWA|ABWE|IBAN|BIC)\+")
_SLASH = re.compile(
    r"/(REMI/USTD|REMI/STRD|TRTP|TRCD|IBAN|BBAN|BIC|NAME|EREF|KREF|PREF|MREF|MARF|CREF|CSID|CNTP"
    r"|ORDP|BENM|ADDR|REMI|ISDT|PURP|RTRN|ULTC|ULTD|ULTB|IREF|OCMT|CHGS|UTR|RRN|ID)/"
)
_SEPA_NAMES = {
    "EREF": "end_to_end_id",
    "KREF": "customer_reference",
    "MREF": "mandate_id",
    "CRED": "creditor_id",
    "IBAN": "counterparty_account",
    "BIC": "counterparty_bank",
}
_SLASH_NAMES = {
    "IBAN": "counterparty_account",
    "BBAN": "counterparty_account",
    "BIC": "counterparty_bank",
    "NAME": "counterparty",
    "EREF": "end_to_end_id",
    "KREF": "customer_reference",
    "PREF": "batch_id",
    "MREF": "mandate_id",
    "MARF": "mandate_id",
    "CSID": "creditor_id",
    "TRTP": "posting_text",
    "PURP": "purpose",
    "RTRN": "return_reason",
    "UTR": "utr",
    "RRN": "rrn",
}


@dataclass(slots=True)
class Entry:
    """The lines of a `:61:` and of the information that follows it."""

    line: int
    lines: list[str]
    information: list[str] = field(default_factory=list)

    def add_text(self, tag: str, lines: list[str]) -> None:
        """Take a `:86:`, or the numbered lines of a German `:NS:`."""
        self.information += lines if tag == "86" else [line[2:] for line in lines]


def bank_line(entry: Entry, currency: str, problems: Problems) -> BankLine | None:
    """The entry as a line of its statement, or None and a problem."""
    match, used = _LINE.match(entry.lines[0].strip()), 1
    if match is None:
        # Some exports fold lines at a width; supplementary details then have no line of their own.
        match, used = _LINE.match("".join(line.strip() for line in entry.lines)), len(entry.lines)
    if match is None:
        problems.lose(entry.line, "61", entry.lines[0], "is not a statement line")
        return None
    minor = problems.marked_amount(match["amount"], currency, line=entry.line, field="61")
    if minor is None:
        return None
    value = _value_date(match["value"], entry.line, problems)
    booked = _entry_date(match["entry"], value, entry.line, problems)
    code, customer, bank = _references(match["rest"])
    details = {
        "mark": match["mark"],
        "transaction_code": code,
        "customer_reference": customer,
        "bank_reference": bank,
        "supplementary": " ".join(" ".join(entry.lines[used:]).split()),
    }
    if value and f"{value:%y%m%d}" != match["value"]:
        details["stated_value_date"] = match["value"]
    read = information(entry.information)
    narrative = read.pop("narrative", "")
    keys = (customer, read.get("end_to_end_id"), read.get("customer_reference"), bank)
    stated = {key: text for key, text in details.items() if text}
    # `KREF+` only says that the customer's reference stands in the information.
    details = {**stated, **read} if _absent(customer) else {**read, **stated}
    details = {**rail_references(currency, customer, bank, narrative), **details}
    return BankLine(
        amount_minor=minor if match["mark"] in _CREDITS else -minor,
        currency=currency,
        value_date=value,
        booking_date=booked,
        reference=next((key for key in keys if key and not _absent(key)), ""),
        narrative=narrative or details.get("supplementary", ""),
        details=[details],
        bank_reference=bank,
        pending=match["mark"].startswith("E"),
    )


def _absent(reference: str) -> bool:
    return reference.rstrip("+").upper() in _NO_REFERENCE


def _references(rest: str) -> tuple[str, str, str]:
    """Transaction code, customer's reference and bank's, of `1!a3!c16x[//16x]`."""
    rest = rest.strip()
    code = "" if rest.startswith("NONREF") else rest[:4]
    customer, _, bank = rest[len(code) :].partition("//")
    return code.strip(), customer.strip(), bank.strip()


def _value_date(text: str, line: int, problems: Problems) -> date | None:
    """German banks value interest on 30 February (30/360): that is the last day of the month."""
    if text[2:] in ("0229", "0230"):
        year = 2000 + int(text[:2])
        text = f"{text[:4]}{min(int(text[4:]), monthrange(year, 2)[1])}"
    return problems.short_date(text, line=line, field="61")


def _entry_date(text: str | None, value: date | None, line: int, problems: Problems) -> date | None:
    """`MMDD`, of the year that puts it nearest to the value date."""
    if text in (None, "0000") or value is None:
        return None
    found = []
    for year in (value.year - 1, value.year, value.year + 1):
        try:
            found.append(date(year, int(text[:2]), int(text[2:])))
        except ValueError:
            continue  # 29 February of another year, or no day at all
    if not found:
        problems.add(line, "61", text, "is not a date")
        return None
    return min(found, key=lambda day: abs((day - value).days))


# ── :86: ─────────────────────────────────────────────────────────────────────────────────


def information(lines: list[str]) -> dict[str, str]:
    """What a `:86:` says, by names that all formats share; `narrative` is always there."""
    joined = "".join(lines)
    if coded := _CODED.match(joined):
        found = _coded(joined, coded[1], coded[2])
    elif (tagged := _SLASH.search(joined)) and tagged.start() <= 1:
        found = _tagged(joined)
    else:
        found = {"narrative": " ".join(lines)}
    return {key: text for key, value in found.items() if (text := " ".join(value.split()))}


def _coded(text: str, code: str, separator: str) -> dict[str, str]:
    """`166?00GUTSCHRIFT?20SVWZ+...?30BIC?31IBAN?32NAME`; purpose in 20-29 and 60-63."""
    parts = re.split(re.escape(separator) + r"(\d\d)", text)
    by_code: dict[str, str] = {}
    purpose = []
    for number, value in zip(parts[1::2], parts[2::2], strict=True):
        if "20" <= number <= "29" or number >= "60":
            purpose.append(value)
        else:
            by_code.setdefault(number, value)
    narrative = "".join(purpose)
    found = {
        "business_code": code,
        "posting_text": by_code.get("00", ""),
        "prima_nota": by_code.get("10", ""),
        "counterparty_bank": by_code.get("30", ""),
        "counterparty_account": by_code.get("31", ""),
        "counterparty": by_code.get("32", "") + by_code.get("33", ""),
        "return_reason": by_code.get("34", ""),
        "narrative": narrative,
    }
    pieces = _SEPA.split(narrative)
    for key, value in zip(pieces[1::2], pieces[2::2], strict=True):
        if key == "SVWZ":
            found["narrative"] = value
        elif key in _SEPA_NAMES and not found.get(_SEPA_NAMES[key]):
            found[_SEPA_NAMES[key]] = value
    return found


def _tagged(text: str) -> dict[str, str]:
    """`/EREF/1234//CNTP/account/bank/name/city//REMI/USTD//text/`."""
    pieces = _SLASH.split(text)
    found: dict[str, str] = {}
    narrative = []
    for key, value in zip(pieces[1::2], pieces[2::2], strict=True):
        stated = value.strip("/ ")
        if key.startswith("REMI"):
            narrative.append(stated)
        elif key == "CNTP":
            account, bank, name = f"{value}///".split("/")[:3]
            found |= {
                "counterparty_account": account,
                "counterparty_bank": bank,
                "counterparty": name,
            }
        elif key in _SLASH_NAMES:
            found.setdefault(_SLASH_NAMES[key], stated)
    return {**found, "narrative": " ".join(narrative) or text}
