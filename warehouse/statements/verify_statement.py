"""Checks a statement pack without trusting whoever made it.

    python verify_statement.py PACK.zip|FOLDER [--key KEY.json] [--anchor HEX]

Needs Python 3.9 or later and the package `cryptography`, nothing else, and no network. It says what
it checked, what it could not check, and what is wrong. Exit code 0: everything was checked and
holds, with the key you gave. 1: something is wrong. 2: nothing is wrong, but not everything could
be checked (say, no key was given, or a day is not sealed yet).

The key inside a pack proves nothing: whoever forges a pack puts a key of their own in it. Get the
key elsewhere (`GET /api/v1/seals/keys`, or the auditor's copy) and give it with --key. --anchor is
the hash of a seal that you know from elsewhere; the pack's chain must contain it.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import io
import json
import re
import struct
import sys
import uuid
import zipfile
import zlib
from collections import defaultdict
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FORMAT = "khata.proof.v1"
DOCUMENTS = ("statement.csv", "statement.json", "statement.pdf")
NAMES = (*DOCUMENTS, "proof.json", "verify_statement.py", "README.txt")
MOST_BYTES = 1 << 29
LONGEST_NUMBER = 19
MOST_TOLD = 20
LONGEST_WORD = 500
WORDS = (  # of a line, as the CSV has them
    *("number", "date", "value_date", "kind", "mode", "description", "reference", "rail_reference"),
    *("counterparty", "reason", "sac", "transaction_id"),
)
DECIMALS = {**dict.fromkeys(("JPY", "KRW", "VND"), 0), **dict.fromkeys(("BHD", "KWD", "OMR"), 3)}
NAMESPACE = uuid.UUID("8f0f6a3e-3c5d-5a51-9d6e-0c4b5a1d7e11")  # of account ids
ALWAYS = ("pending", "payable", "disputed")  # accounts that every merchant has
FEES = ("fee", "dispute_fee", "fee_returned")
TAXES = {"IGST": "tax:igst", "CGST": "tax:cgst", "SGST": "tax:sgst"}
BALANCE = ("account_version", "balance_after", "created_at", "id")
POSTING = (
    *("amount_minor", "business_date", "currency", "effective_at", "entry_type", "layer"),
    *("livemode", "transaction_id"),
)
PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
UNREADABLE = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
    *(EOFError, OSError, RuntimeError, ValueError),
)
MALFORMED = (
    *(ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError),
    *(TypeError, ValueError),
)
Row = dict[str, Any]
Node = tuple[int, int]


class Broken(Exception):
    """The pack cannot be read, or says something that cannot be."""


# ── canonical texts and trees; the warehouse makes the same in SQL ───────────────────────────


def canonical(value: object) -> bytes:
    """Compact JSON, keys sorted; the rare control characters in upper-case hex."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def upper(found: re.Match[str]) -> str:
        return found[0] if found[0] == "\\\\" else "\\u" + found[0][2:].upper()

    return re.sub(r"\\\\|\\u00[01][a-f]", upper, text).encode()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def balance_hash(entry: Row) -> str:
    return digest(canonical({name: entry[name] for name in BALANCE}))


def posting_hash(entry: Row, transaction_hash: str | None) -> str:
    shown = {name: entry[name] for name in POSTING}
    return digest(canonical({**shown, "transaction": transaction_hash}))


def leaf_hash(account_id: str, balance: str, posting: str) -> bytes:
    text = canonical({"account_id": account_id, "balance": balance, "posting": posting})
    return hashlib.sha256(b"\x00" + text).digest()


def needed(size: int, leaves: set[int]) -> list[Node]:
    """The nodes beside the way from these leaves to the root, as (level, index)."""
    found, level, known, width = [], 0, leaves, size
    while width > 1:
        for index in sorted(known):
            beside = index ^ 1
            if beside < width and beside not in known:
                found.append((level, beside))
        level, known, width = level + 1, {index // 2 for index in known}, (width + 1) // 2
    return found


def root_of(size: int, leaves: dict[int, bytes], nodes: dict[Node, bytes]) -> bytes:
    """The root of a tree from some of its leaves and the nodes that `needed` names."""
    if size == 0:
        return hashlib.sha256(b"").digest()
    level, known, width = 0, leaves, size
    while width > 1:
        above = {}
        for index in known:
            pair = [known.get(at) or nodes.get((level, at)) for at in (index & ~1, index | 1)]
            left, right = pair
            if index & ~1 == width - 1:
                above[index // 2] = known[index]
            elif left is None or right is None:
                raise Broken("a node of a tree is missing")
            else:
                above[index // 2] = hashlib.sha256(b"\x01" + left + right).digest()
        level, known, width = level + 1, above, (width + 1) // 2
    if 0 not in known:
        raise Broken("nothing of a tree is shown")
    return known[0]


def account_id(code: str, currency: str, livemode: bool, stripe: int) -> str:
    name = "\x1f".join(("account", code, currency, str(livemode), str(stripe)))
    return str(uuid.uuid5(NAMESPACE, name))


def seal_text(seal: Row) -> bytes:
    """What is hashed and signed of a seal."""
    names = ("number", "previous", "day", "part", "sealed_at", "events", "entries", "audit")
    return canonical({"type": "khata.seal.v1", **{name: seal[name] for name in names}})


def statement_text(statement: Row, files: dict[str, str]) -> bytes:
    """What is signed of a statement."""
    names = ("merchant_id", "number", "edition", "start_date", "end_date", "content_sha256")
    shown = {name: statement[name] for name in names}
    return canonical({"type": "khata.statement.v1", **shown, "files": files})


def unbase64(text: str) -> bytes:
    value = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64url(value) != text:
        raise Broken("a signature or key is not written as it should be")
    return value


def base64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def key_id_of(x: str) -> str:
    """RFC 7638."""
    text = canonical({"crv": "Ed25519", "kty": "OKP", "x": x})
    return base64url(hashlib.sha256(text).digest())


# ── reading what a stranger made ─────────────────────────────────────────────────────────────


def read_pack(path: Path) -> dict[str, bytes]:
    """The pack's files by name; nothing is ever unpacked to the disk."""
    if path.is_dir():
        found = {name: path / name for name in NAMES if (path / name).is_file()}
        if any(file.is_symlink() or file.stat().st_size > MOST_BYTES for file in found.values()):
            raise Broken("a file of the folder is a link or too large")
        return {name: file.read_bytes() for name, file in found.items()}
    try:
        with zipfile.ZipFile(path) as pack:
            return read_zip(pack)
    except UNREADABLE as error:
        raise Broken(f"the file is not a whole zip: {error}") from None


def read_zip(pack: zipfile.ZipFile) -> dict[str, bytes]:
    names = pack.namelist()
    strange = sorted(set(names) - set(NAMES))
    if strange or len(set(names)) < len(names):
        raise Broken(f"the zip has files that do not belong in it: {strange[:3] or 'one twice'}")
    if any(each.compress_type not in PLAIN for each in pack.infolist()):
        raise Broken("the zip is packed in an unusual way")
    files, left = {}, MOST_BYTES
    for name in names:
        with pack.open(name) as file:
            files[name] = file.read(left + 1)
        left -= len(files[name])
        if left < 0:
            raise Broken(f"unpacked it would be larger than {MOST_BYTES} bytes")
    return files


def parse(data: bytes, name: str) -> Row:
    """JSON without what has two readings: numbers with fractions, a key twice."""

    def whole(text: str) -> int:
        if len(text.lstrip("-")) > LONGEST_NUMBER:
            raise Broken(f"{name}: a number with {len(text)} digits")
        return int(text)

    def refuse(text: str) -> None:
        raise Broken(f"{name}: {text[:20]} is no whole number")

    def unique(pairs: list[tuple[str, Any]]) -> Row:
        if len(dict(pairs)) < len(pairs):
            raise Broken(f"{name}: a key stands twice in one object")
        return dict(pairs)

    try:
        found = json.loads(
            data.decode(), parse_int=whole, parse_float=refuse, parse_constant=refuse,
            object_pairs_hook=unique,
        )  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise Broken(f"{name} is not JSON: {str(error)[:80]}") from None
    if not isinstance(found, dict):
        raise Broken(f"{name} is not a JSON object")
    return found


def pinned_keys(path: Path | None) -> set[str] | None:
    if path is None:
        return None
    found = parse(path.read_bytes(), path.name)
    return {str(key["x"]) for key in found.get("keys", [found])}


# ── the checks ───────────────────────────────────────────────────────────────────────────────


class Check:
    """One statement and its proof; `wrong`, `open` and `holds` are what is told in the end."""

    def __init__(self, files: dict[str, bytes], pinned: set[str] | None, anchor: str) -> None:
        missing = [name for name in (*DOCUMENTS, "proof.json") if name not in files]
        if missing:
            raise Broken(f"the pack lacks {', '.join(missing)}")
        self.files, self.pinned, self.anchor = files, pinned, anchor
        self.proof = parse(files["proof.json"], "proof.json")
        self.statement = parse(files["statement.json"], "statement.json")
        self.wrong: list[str] = []
        self.open: list[str] = []
        self.holds: list[str] = []
        self.codes: dict[str, str] = {}
        self.hashes: dict[str, str] = {}
        self.transactions: dict[str, Row] = {}
        self.entries: list[Row] = self.proof["entries"]
        self.charges: list[Row] = self.proof["charges"]
        self.seals: dict[int, Row] = {}

    def run(self) -> None:
        for step, what in (
            (
                self.check_files,
                "the files are those that the proof names; the statement's own hash",
            ),
            (self.check_seals, "each seal is signed, and each names the one before it"),
            (self.check_signature, "the statement is signed as it is, words and all"),
            (self.check_rows, "accounts and postings are what their ids and hashes say"),
            (self.check_trees, "every entry is under the sealed root of its day"),
            (self.check_days, "no entry of the merchant's accounts is missing on any sealed day"),
            (self.check_chains, "each account's entries follow on from one balance to the next"),
            (self.check_lines, "each line is what its entries say, and no entry lacks its line"),
            (self.check_sums, "opening + credits − debits = closing, line by line and in total"),
            (self.check_csv, "the CSV says the same as the JSON"),
        ):
            before = len(self.wrong), len(self.open)
            try:
                step()
            except (Broken, *MALFORMED) as error:
                # What was found so far is told; later checks rest on what is missing here.
                self.wrong.append(f"the pack cannot be read further: {told(error)}")
                return
            if before == (len(self.wrong), len(self.open)):
                self.holds.append(what)
        if self.pinned is None:
            self.open.append(
                "whose signatures these are: no key was given with --key, and the key in the pack"
                " may be anybody's"
            )

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    def check_files(self) -> None:
        files = self.proof["files"]
        self.expect(self.proof["format"] == FORMAT, "the proof is of another form")
        self.expect(sorted(files) == sorted(DOCUMENTS), "proof.json names other files")
        for name in DOCUMENTS:
            same = files.get(name) == digest(self.files[name])
            self.expect(same, f"{name} is not the file that the proof is of")
        content = digest(canonical({**self.statement, "content_sha256": ""}))
        self.expect(
            content == self.statement["content_sha256"], "the statement's content was changed"
        )

    def check_seals(self) -> None:
        self.keys: dict[str, str] = {}
        for key in self.proof["keys"]:
            kid = key_id_of(str(key["x"]))
            self.keys[kid] = str(key["x"])
            form = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": key["x"]}
            self.expect(key == form, f"key {kid} is not written as it should be")
        chain, others = self.proof["seals"], self.proof["other_seals"]
        for seal in [*chain, *others]:
            number, text = seal["number"], seal_text(seal)
            self.expect(number not in self.seals, f"seal {number} stands twice")
            self.seals[number] = seal
            self.expect(digest(text) == seal["hash"], f"seal {number} was changed")
            self.check_key(f"seal {number}", seal["key_id"], seal["signature"], text)
        for before, seal in zip(chain, chain[1:]):
            follows = (before["number"] + 1, before["hash"]) == (seal["number"], seal["previous"])
            self.expect(follows, f"seal {seal['number']} does not follow on the one before it")
        if self.anchor:
            known = {seal["hash"] for seal in chain} | {seal["previous"] for seal in chain[:1]}
            self.expect(self.anchor in known, "the seal you know is not in the chain")

    def check_key(self, what: str, key_id: str, signature: str, text: bytes) -> None:
        x = self.keys.get(key_id)
        if x is None:
            self.wrong.append(f"{what} is signed with a key that the pack does not have")
            return
        if self.pinned is not None and x not in self.pinned:
            self.wrong.append(f"{what} is signed with another key than the one you gave")
        try:
            Ed25519PublicKey.from_public_bytes(unbase64(x)).verify(unbase64(signature), text)
        except InvalidSignature:
            self.wrong.append(f"the signature of {what} does not hold")

    def check_signature(self) -> None:
        signed = self.proof["signature"]
        if signed is None:
            self.open.append("names, words and references: the statement itself is not signed")
            return
        text = statement_text(self.statement, self.proof["files"])
        self.check_key("the statement", signed["key_id"], signed["signature"], text)

    def check_rows(self) -> None:
        currency, livemode = self.statement["currency"], self.statement["livemode"]
        for account in self.proof["accounts"]:
            code = account["code"]
            self.codes[account_id(code, currency, livemode, account["stripe"])] = code
        self.mine = f"merchant:{self.statement['merchant_id']}:"
        for transaction in self.proof["transactions"]:
            self.transactions[transaction["id"]] = transaction
            self.hashes[transaction["id"]] = digest(canonical(transaction))
        used = {row["account_id"] for row in [*self.entries, *self.charges]}
        idle = [code for id_, code in self.codes.items() if id_ not in used]
        self.expect(not idle, f"accounts are named that have no entry: {', '.join(idle)}")
        for name in ALWAYS:
            self.codes[account_id(self.mine + name, currency, livemode, 0)] = self.mine + name
        for entry in [*self.entries, *self.charges]:
            self.check_row(entry)

    def check_row(self, entry: Row) -> None:
        transaction = self.transactions.get(entry["transaction_id"])
        if transaction is None or entry["account_id"] not in self.codes:
            raise Broken("an entry's transaction or account is not shown")
        what = f"an entry of {entry['business_date']} in {self.codes[entry['account_id']]}"
        own = self.codes[entry["account_id"]].startswith(self.mine)
        self.expect(own == ("balance_after" in entry), f"{what} is shown in the wrong place")
        for name in ("business_date", "effective_at", "livemode"):
            same = entry[name] == transaction[name]
            self.expect(same, f"{what} has another {name} than its transaction")
        self.expect(
            (entry["currency"], entry["livemode"])
            == (self.statement["currency"], self.statement["livemode"]),
            f"{what} is of another currency or mode",
        )

    def check_trees(self) -> None:
        """The root of each seal, from the rows that are shown of it."""
        self.shown: dict[int, dict[int, str]] = defaultdict(dict)  # seal → leaf → account
        leaves: dict[int, dict[int, bytes]] = defaultdict(dict)
        unsealed: set[str] = set()
        for row in [*self.entries, *self.charges, *self.proof["neighbours"]]:
            number, at = row["seal"], row["leaf"]
            if number is None:
                unsealed.add(row["business_date"])
                continue
            if at in leaves[number]:
                raise Broken("two rows are shown at one place of a tree")
            posting = row.get("posting")
            if posting is None:
                posting = posting_hash(row, self.hashes[row["transaction_id"]])
                day = self.seals.get(number, {}).get("day", row["business_date"])
                same = row["business_date"] == day
                self.expect(same, f"an entry of {row['business_date']} is in another day's seal")
            balance = row["balance"] if "balance" in row else balance_hash(row)
            leaves[number][at] = leaf_hash(row["account_id"], balance, posting)
            self.shown[number][at] = row["account_id"]
        for number, of in leaves.items():
            if number not in self.seals:
                self.wrong.append(f"seal {number} is not shown, and entries are under it")
                continue
            tree, wanted = self.seals[number]["entries"], needed(self.seal_size(number), set(of))
            nodes = self.proof["nodes"].get(str(number), [])
            if len(nodes) != len(wanted):
                self.wrong.append(f"rows of seal {number} are left out, or there are too many")
                continue
            known = {place: bytes.fromhex(node) for place, node in zip(wanted, nodes)}
            same = root_of(tree["size"], of, known).hex() == tree["root"]
            self.expect(same, f"rows of seal {number} ({self.seals[number]['day']}) were changed")
        if unsealed:
            self.open.append(f"entries of {', '.join(sorted(unsealed))}: they are not sealed yet")

    def seal_size(self, number: int) -> int:
        size = self.seals[number]["entries"]["size"]
        if any(not 0 <= at < size for at in self.shown[number]):
            raise Broken(f"seal {number} has no such leaf")
        return int(size)

    def check_days(self) -> None:
        parts: dict[str, list[Row]] = defaultdict(list)
        for seal in self.proof["seals"]:
            parts[seal["day"]].append(seal)
        mine = sorted(id_ for id_, code in self.codes.items() if code.startswith(self.mine))
        day, end = (date.fromisoformat(self.statement[name]) for name in ("start_date", "end_date"))
        if not timedelta() <= end - day <= timedelta(days=3660):
            raise Broken("the period of the statement is not one")
        bare = []
        while day <= end:
            seals = parts.get(day.isoformat(), [])
            numbered = [seal["part"] for seal in seals] == list(range(1, len(seals) + 1))
            self.expect(numbered, f"a seal of {day} is not shown")
            if not seals:
                bare.append(day.isoformat())
            for seal in seals:
                for id_ in mine:
                    whole = self.is_whole(seal, id_)
                    self.expect(whole, f"entries of {self.codes[id_]} on {day} may be left out")
            day += timedelta(days=1)
        if bare:
            self.open.append(f"whether anything is left out on {', '.join(bare)}: not sealed yet")

    def is_whole(self, seal: Row, id_: str) -> bool:
        """Whether what is shown of an account is all of it: leaves are in the accounts' order, so
        that the leaf on either side must be another account's."""
        shown, size = self.shown.get(seal["number"], {}), seal["entries"]["size"]
        own = sorted(at for at, account in shown.items() if account == id_)
        after = (at for at, account in shown.items() if account > id_)
        first, end = (own[0], own[-1] + 1) if own else (min(after, default=size),) * 2
        return (
            end - first == len(own)
            and (first == 0 or shown.get(first - 1, id_) < id_)
            and (end == size or shown.get(end, id_) > id_)
        )

    def check_chains(self) -> None:
        start, end = self.statement["start_date"], self.statement["end_date"]
        self.openings: dict[str, int] = defaultdict(int)
        self.closings: dict[str, int] = defaultdict(int)
        accounts: dict[str, list[Row]] = defaultdict(list)
        for entry in self.entries:
            accounts[entry["account_id"]].append(entry)
        for id_, rows in accounts.items():
            code = self.codes[id_]
            rows.sort(key=lambda row: row["account_version"])
            first = rows[0]["account_version"]
            versions = [row["account_version"] for row in rows]
            unbroken = versions == list(range(first, first + len(rows)))
            self.expect(unbroken, f"{code}: an entry between two that are shown is missing")
            balances: dict[str, int] = {}
            for row in rows:
                layer, amount = row["layer"], row["amount_minor"]
                follows = balances.get(layer, row["balance_after"] - amount) + amount
                what = f"{code}: entry {row['account_version']} does not follow on the balance"
                self.expect(follows == row["balance_after"], what)
                balances[layer] = row["balance_after"]
            posted = [row for row in rows if row["layer"] == "posted"]
            self.expect(bool(posted) or first == 1, f"{code}: its balance is not shown")
            for row in posted[:1]:
                self.openings[code] = row["balance_after"] - row["amount_minor"]
            past = sum(row["amount_minor"] for row in posted if row["business_date"] < start)
            moved = sum(
                row["amount_minor"] for row in posted if start <= row["business_date"] <= end
            )
            self.openings[code] += past
            self.closings[code] = self.openings[code] + moved

    def check_lines(self) -> None:
        start, end = self.statement["start_date"], self.statement["end_date"]
        net: dict[str, int] = defaultdict(int)
        charged: dict[tuple[str, str], int] = defaultdict(int)
        for row in self.entries:
            if row["layer"] == "posted" and start <= row["business_date"] <= end:
                net[row["transaction_id"]] += row["amount_minor"]
        for row in self.charges:
            code = self.codes[row["account_id"]]
            family = "fees" if code.startswith("fees:") else code
            charged[row["transaction_id"], family] -= row["amount_minor"]
        for line in self.statement["lines"]:
            id_ = line["transaction_id"]
            amount = line["credit_minor"] - line["debit_minor"]
            what = f"line {line['number']} ({line['date']} {line['reference']})"
            if id_ not in net:
                self.wrong.append(f"{what} has no entry of the period")
                continue
            net[id_] -= amount
            family = family_of(line)
            if family:
                charged[id_, family] -= amount
            self.check_words(line, self.transactions[id_], what, principal=not family)
        for id_, rest in net.items():
            self.expect(
                rest == 0, f"transaction {id_}: its lines differ by {rest} from its entries"
            )
        for (id_, family), rest in charged.items():
            self.expect(rest == 0, f"transaction {id_}: {family} on its lines is off by {rest}")

    def check_words(self, line: Row, transaction: Row, what: str, *, principal: bool) -> None:
        metadata = parse((transaction["metadata"] or "{}").encode(), "metadata")
        reference = metadata.get("payment_id") or transaction["reference"] or ""
        at = transaction["effective_at"]
        self.expect(line["date"] == transaction["business_date"], f"{what} has another date")
        self.expect(utc(line["at"]) == at, f"{what} happened at another time: {at}")
        self.expect(line["reference"] == reference, f"{what} has another reference: {reference}")
        if principal or line["kind"] in FEES[1:]:
            kind = transaction["kind"]
            self.expect(line["kind"] == kind, f"{what} is of another kind: {kind}")

    def check_sums(self) -> None:
        said, lines = self.statement, self.statement["lines"]
        balance = said["opening_minor"]
        self.expect(balance == sum(self.openings.values()), "the opening balance is not the books'")
        for place, line in enumerate(lines, 1):
            balance += line["credit_minor"] - line["debit_minor"]
            self.expect(line["balance_minor"] == balance, f"line {place}: the balance is off")
            sided = min(line["debit_minor"], line["credit_minor"]) == 0
            self.expect(sided and line["number"] == place, f"line {place} is none")
        sums = {
            "closing_minor": balance,
            "total_debit_minor": sum(line["debit_minor"] for line in lines),
            "total_credit_minor": sum(line["credit_minor"] for line in lines),
            "debit_count": sum(line["debit_minor"] > 0 for line in lines),
            "credit_count": sum(line["credit_minor"] > 0 for line in lines),
            "fees_minor": charges_in(lines, FEES),
            "tax_minor": charges_in(lines, ("tax",)),
        }
        for name, value in sums.items():
            self.expect(said[name] == value, f"{name} is {said[name]}, and the lines say {value}")
        summed = {
            (each["name"], each["rate_bps"]): (
                *(each["count"], each["charged_minor"], each["returned_minor"]),
            )
            for each in said["charges"]
        }
        self.expect(summed == charges_of(lines), "the charges are not summed up as on the lines")
        parts: dict[str, int] = defaultdict(int)
        for code, minor in self.closings.items():
            parts[code[len(self.mine) :].split(":")[0] + "_minor"] += minor
        for name, minor in said["parts"].items():
            self.expect(
                parts.pop(name, 0) == minor, f"the part {name} is not the account's balance"
            )
        self.expect(not any(parts.values()), "the closing balance has parts that are not named")
        closing = sum(self.closings.values())
        self.expect(closing == said["closing_minor"], "the closing balance is not the books'")

    def check_csv(self) -> None:
        text = self.files["statement.csv"].decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        lines = [row for row in rows if row["row"] == "line"]
        said = [self.as_csv(line) for line in self.statement["lines"]]
        self.expect(len(lines) == len(said), "the CSV has other lines than the JSON")
        for place, (row, line) in enumerate(zip(lines, said), 1):
            differs = [name for name in line if plain(row[name]) != plain(line[name])]
            self.expect(not differs, f"line {place} of the CSV differs in {', '.join(differs)}")
        for name, cells in self.summary().items():
            row = next((row for row in rows if f"{row['row']} {row['kind']}".strip() == name), {})
            same = all(row.get(column) == cell for column, cell in cells.items())
            self.expect(same, f"the CSV has another {name} than the JSON")

    def as_csv(self, line: Row) -> dict[str, str]:
        sides = {
            side: self.decimal(line[f"{side}_minor"]) if line[f"{side}_minor"] else ""
            for side in ("debit", "credit")
        }
        words = {name: str(line[name]) for name in WORDS}
        return {**words, **sides, "balance": self.decimal(line["balance_minor"])}

    def summary(self) -> dict[str, dict[str, str]]:
        """The rows around the lines."""
        said = self.statement
        totals = {side: self.decimal(said[f"total_{side}_minor"]) for side in ("debit", "credit")}
        parts = {
            f"part {name[:-6]}": {"balance": self.decimal(minor)}
            for name, minor in said["parts"].items()
        }
        return {
            "holder": {"reference": said["merchant_id"]},
            "opening": {"balance": self.decimal(said["opening_minor"])},
            "total": {"number": str(len(said["lines"])), **totals},
            "closing": {"balance": self.decimal(said["closing_minor"])},
            "content_sha256": {"reference": said["content_sha256"]},
            **parts,
        }

    def decimal(self, minor: int) -> str:
        places = DECIMALS.get(self.statement["currency"], 2)
        text = str(abs(minor)).rjust(places + 1, "0")
        sign = "-" if minor < 0 else ""
        return sign + (f"{text[:-places]}.{text[-places:]}" if places else text)


def plain(text: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from running a text."""
    return text[1:] if text.startswith("'") else text


def family_of(line: Row) -> str:
    """Which accounts a line's charge was posted to; nothing for a principal."""
    if line["kind"] in FEES:
        return "fees"
    if line["kind"] == "tax":
        return TAXES.get(line["charge"], "?")
    return "tax:tds" if line["kind"] == "tds" else ""


def charges_in(lines: list[Row], kinds: tuple[str, ...]) -> int:
    return sum(
        line["debit_minor"] - line["credit_minor"] for line in lines if line["kind"] in kinds
    )


def charges_of(lines: list[Row]) -> dict[tuple[str, Any], tuple[int, int, int]]:
    """How many lines, how much charged and returned, by name and rate of the charge."""
    found: dict[tuple[str, Any], tuple[int, int, int]] = {}
    for line in lines:
        if line["charge"]:
            key = (line["charge"], line["rate_bps"])
            count, charged, returned = found.get(key, (0, 0, 0))
            charged, returned = charged + line["debit_minor"], returned + line["credit_minor"]
            found[key] = (count + 1, charged, returned)
    return found


def utc(text: str) -> str:
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# ── telling ──────────────────────────────────────────────────────────────────────────────────


def verify(path: Path, key: Path | None, anchor: str) -> int:
    """Prints what was found; returns the exit code."""
    try:
        pinned = pinned_keys(key)
    except (Broken, OSError, *MALFORMED) as error:
        say(f"The key cannot be read: {told(error)}.")
        return 2
    try:
        check = Check(read_pack(path), pinned, anchor.lower())
    except (Broken, *MALFORMED) as error:
        say(f"WRONG  the pack cannot be read: {told(error)}.")
        return 1
    check.run()
    tell(check)
    if check.wrong:
        return 1
    return 2 if check.open else 0


def told(error: BaseException) -> str:
    return str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"


def tell(check: Check) -> None:
    said = check.statement
    period = f"{said.get('start_date')} to {said.get('end_date')}"
    say(f"Statement of {said.get('merchant_id')}, {period}")
    if check.seals and not check.wrong:
        newest = check.seals[max(check.seals)]
        made = newest["sealed_at"]
        say(f"as of  seal {newest['number']}, made {made}; what came later is not in it")
    for text in check.holds:
        say(f"holds  {text}.")
    for text in check.open:
        say(f"open   not checked: {text}.")
    for text in check.wrong[:MOST_TOLD]:
        say(f"WRONG  {text}.")
    if len(check.wrong) > MOST_TOLD:
        say(f"WRONG  and {len(check.wrong) - MOST_TOLD} more.")
    if check.wrong:
        say("This statement does not hold.")
    elif check.open:
        say("Nothing is wrong with what could be checked.")
    else:
        say("Everything holds: it is sealed, signed with your key, complete, and adds up.")


def say(text: str) -> None:
    """A stranger's words among ours: nothing that moves a terminal's cursor, and not for ever."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    print(shown if len(shown) <= LONGEST_WORD else f"{shown[:LONGEST_WORD]}…")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pack", type=Path, metavar="PACK.zip|FOLDER")
    parser.add_argument("--key", type=Path, metavar="KEY.json", help="the public keys you trust")
    parser.add_argument("--anchor", default="", metavar="HEX", help="the hash of a seal you know")
    chosen = parser.parse_args()
    for path in filter(None, (chosen.pack, chosen.key)):
        if not path.exists():
            parser.error(f"there is no {path}")
    return verify(chosen.pack, chosen.key, chosen.anchor)


if __name__ == "__main__":
    sys.exit(main())
