"""Writers of bank statements in every format, independent of the readers they test.

Amounts are minor units of the currency, signed; a statement foots by construction.
"""

from dataclasses import dataclass
from datetime import date
from xml.sax.saxutils import escape

from online.kernel.money import exponent


@dataclass(frozen=True)
class Entry:
    """One movement."""

    amount: int
    value: date
    booked: date
    reference: str
    text: str


@dataclass(frozen=True)
class Account:
    """One account's statement of a period."""

    number: str
    currency: str
    opening: int
    entries: tuple[Entry, ...]

    @property
    def closing(self) -> int:
        return self.opening + sum(entry.amount for entry in self.entries)

    @property
    def days(self) -> tuple[date, date]:
        days = [entry.booked for entry in self.entries] or [date(2024, 2, 29)]
        return min(days), max(days)


def decimal(minor: int, currency: str, mark: str = ".") -> str:
    """The amount without its sign, with as many decimals as the currency has."""
    digits = exponent(currency)
    whole, fraction = divmod(abs(minor), 10**digits)
    return f"{whole}{mark}{fraction:0{digits}d}" if digits else f"{whole}"


# ── MT940 ────────────────────────────────────────────────────────────────────────────────


def mt940(*accounts: Account, eol: str = "\r\n", envelope: bool = False) -> str:
    """Messages as SWIFT's standard has them."""
    lines: list[str] = []
    for number, account in enumerate(accounts, 1):
        if envelope:
            lines.append("{1:F01KHATINBBAXXX0000000000}{2:O9401200240101KHATINBBXXXXN}{4:")
        lines += [":20:KHATA", f":25:{account.number}", f":28C:{number}/1"]
        lines.append(_balance("60F", account.opening, account.days[0], account.currency))
        for entry in account.entries:
            lines += _mt940_entry(entry, account.currency)
        lines.append(_balance("62F", account.closing, account.days[1], account.currency))
        lines.append("-}{5:{CHK:000000000000}}" if envelope else "-")
    return eol.join([*lines, ""])


def _mt940_entry(entry: Entry, currency: str) -> list[str]:
    mark = "C" if entry.amount >= 0 else "D"
    amount = decimal(entry.amount, currency, ",")
    amount += "" if "," in amount else ","
    days = f"{entry.value:%y%m%d}{entry.booked:%m%d}"
    return [f":61:{days}{mark}{amount}NTRF{entry.reference}//BANK", f":86:{entry.text}"]


def _balance(tag: str, minor: int, day: date, currency: str) -> str:
    amount = decimal(minor, currency, ",")
    amount += "" if "," in amount else ","
    return f":{tag}:{'C' if minor >= 0 else 'D'}{day:%y%m%d}{currency}{amount}"


def mt942(account: Account) -> str:
    """An interim report: no balances, the sums of both sides instead."""
    lines = [":20:KHATA", f":25:{account.number}", ":28C:1/1", f":34F:{account.currency}0,"]
    lines.append(":13D:2401011200+0530")
    for entry in account.entries:
        lines += _mt940_entry(entry, account.currency)
    for tag, sign in (("90D", -1), ("90C", 1)):
        amounts = [entry.amount for entry in account.entries if entry.amount * sign > 0]
        amount = decimal(sum(amounts), account.currency, ",")
        lines.append(f":{tag}:{len(amounts)}{account.currency}{amount}")
    return "\n".join([*lines, "-", ""])


# ── CAMT ─────────────────────────────────────────────────────────────────────────────────

_CAMT = {
    "052": ("BkToCstmrAcctRpt", "Rpt"),
    "053": ("BkToCstmrStmt", "Stmt"),
    "054": ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
}


def camt(*accounts: Account, kind: str = "053", version: int = 8, prefix: str = "") -> str:
    """A document of any version, with a namespace prefix or without."""
    root, part = _CAMT[kind]
    if version == 1:
        root += "V01"
    parts = "".join(_camt_part(account, part, kind, version) for account in accounts)
    name = f"urn:iso:std:iso:20022:tech:xsd:camt.{kind}.001.{version:02d}"
    body = f"<{root}><GrpHdr><MsgId>1</MsgId></GrpHdr>{parts}</{root}>"
    if prefix:
        body = body.replace("</", f"</{prefix}:").replace("<", f"<{prefix}:")
        body = body.replace(f"<{prefix}:/{prefix}:", f"</{prefix}:")
        tag, declared = f"{prefix}:Document", f'xmlns:{prefix}="{name}"'
    else:
        tag, declared = "Document", f'xmlns="{name}"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{tag} {declared}>{body}</{tag}>\n'


def _camt_part(account: Account, part: str, kind: str, version: int) -> str:
    currency = account.currency
    status = "<Sts><Cd>BOOK</Cd></Sts>" if version >= 8 else "<Sts>BOOK</Sts>"
    entries = "".join(
        f'<Ntry><Amt Ccy="{currency}">{decimal(entry.amount, currency)}</Amt>'
        f"<CdtDbtInd>{'CRDT' if entry.amount >= 0 else 'DBIT'}</CdtDbtInd>{status}"
        f"<BookgDt><Dt>{entry.booked}</Dt></BookgDt><ValDt><Dt>{entry.value}</Dt></ValDt>"
        f"<AcctSvcrRef>BANK</AcctSvcrRef><NtryDtls><TxDtls><Refs>"
        f"<EndToEndId>{escape(entry.reference)}</EndToEndId></Refs>"
        f"<RmtInf><Ustrd>{escape(entry.text)}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
        for entry in account.entries
    )
    balances = ""
    if kind != "054":
        for code, minor, day in zip(
            ("OPBD", "CLBD"), (account.opening, account.closing), account.days, strict=True
        ):
            balances += (
                f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
                f'<Amt Ccy="{currency}">{decimal(minor, currency)}</Amt>'
                f"<CdtDbtInd>{'CRDT' if minor >= 0 else 'DBIT'}</CdtDbtInd>"
                f"<Dt><Dt>{day}</Dt></Dt></Bal>"
            )
    identity = f"<Id><Othr><Id>{escape(account.number)}</Id></Othr></Id>"
    return f"<{part}><Id>1</Id><Acct>{identity}</Acct>{balances}{entries}</{part}>"


# ── BAI2 ─────────────────────────────────────────────────────────────────────────────────


def bai2(*accounts: Account, eol: str = "\n") -> str:
    """One group an account, with every control total."""
    groups = [_bai2_group(account) for account in accounts]
    total = sum(group[0] for group in groups)
    lines = ["01,BANK,KHATA,240101,1200,1,,,2/", *(line for group in groups for line in group[1])]
    return eol.join([*lines, f"99,{total},{len(groups)},{len(lines) + 1}/", ""])


def _bai2_group(account: Account) -> tuple[int, list[str]]:
    day = account.days[1]
    head = f"03,{account.number},{account.currency},010,{account.opening},,/"
    records = [head, f"88,015,{account.closing},,/"]
    total = account.opening + account.closing
    for entry in account.entries:
        code = "195" if entry.amount >= 0 else "495"
        money = f"{abs(entry.amount)},V,{entry.value:%y%m%d},,BANK,{entry.reference}"
        records += [f"16,{code},{money},/", f"88,{entry.text}"]
        total += abs(entry.amount)
    records.append(f"49,{total},{len(records) + 1}/")
    header = f"02,KHATA,BANK,1,{day:%y%m%d},,{account.currency},2/"
    return total, [header, *records, f"98,{total},1,{len(records) + 2}/"]


# ── OFX ──────────────────────────────────────────────────────────────────────────────────


def ofx(*accounts: Account, xml: bool = False, mark: str = ".") -> str:
    """SGML without end tags of values, or XML."""
    end = (lambda tag: f"</{tag}>") if xml else (lambda _: "")

    def value(tag: str, text: str) -> str:
        return f"<{tag}>{escape(text)}{end(tag)}\n"

    statements = ""
    for account in accounts:
        entries = "".join(
            "<STMTTRN>\n"
            + value("TRNTYPE", "CREDIT" if entry.amount >= 0 else "DEBIT")
            + value("DTPOSTED", f"{entry.booked:%Y%m%d}120000[+5.5:IST]")
            + value("DTAVAIL", f"{entry.value:%Y%m%d}")
            + value("TRNAMT", _signed(entry.amount, account.currency, mark))
            + value("FITID", "BANK")
            + value("REFNUM", entry.reference)
            + value("MEMO", entry.text)
            + "</STMTTRN>\n"
            for entry in account.entries
        )
        balance = value("BALAMT", _signed(account.closing, account.currency, mark))
        statements += (
            "<STMTTRNRS><STMTRS>\n"
            + value("CURDEF", account.currency)
            + f"<BANKACCTFROM>{value('ACCTID', account.number)}</BANKACCTFROM>\n"
            + f"<BANKTRANLIST>{entries}</BANKTRANLIST>\n"
            + f"<LEDGERBAL>{balance}{value('DTASOF', f'{account.days[1]:%Y%m%d}')}</LEDGERBAL>\n"
            + "</STMTRS></STMTTRNRS>\n"
        )
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="211"?>\n'
        if xml
        else "OFXHEADER:100\nDATA:OFXSGML\nVERSION:102\nENCODING:UTF-8\nCHARSET:NONE\n\n"
    )
    return f"{head}<OFX><BANKMSGSRSV1>{statements}</BANKMSGSRSV1></OFX>\n"


def _signed(minor: int, currency: str, mark: str) -> str:
    return f"{'-' if minor < 0 else ''}{decimal(minor, currency, mark)}"
