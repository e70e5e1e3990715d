"""Statement packs: what a good one proves, and that each tampering is caught.

Two kinds of tamperers: a careless one changes a value, a careful one makes every hash anew that
can be made without the key. Neither gets past the verifier.
"""

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import cffi
import cryptography
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from online.kernel import ids
from tests.unit.warehouse.books import DAY, MERCHANT, NEXT_DAY, Books, noon
from tests.unit.warehouse.seals import Signer, seal
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse
from warehouse.statements import verify_statement as verifier
from warehouse.statements.build import build
from warehouse.statements.model import Statement
from warehouse.statements.pack import pack, zipped
from warehouse.statements.render import render

Json = dict[str, Any]
OTHER: Final = ids.derived("merchant", "Dosa")
OTHER_ID: Final = ids.encode("mrc", OTHER)
LAST: Final = NEXT_DAY + timedelta(days=1)


class Place:
    """A lake whose days are sealed, and packs from it."""

    def __init__(self, warehouse: Warehouse, folder: Path) -> None:
        self.warehouse = warehouse
        self.folder = folder
        self.signer = Signer()
        self.key = folder / "keys.json"
        self.key.write_bytes(self.signer.jwks)

    def statement(self, merchant: UUID = MERCHANT, first: date = DAY, last: date = LAST) -> Json:
        """The files of a pack by name, JSON as objects."""
        made = build(self.warehouse, merchant_id=merchant, start_date=first, end_date=last)
        names = {f"statement.{form}": render(made, form) for form in ("json", "csv")}
        names["statement.pdf"] = b"%PDF-1.7 " + made.content_sha256.encode()
        with self.warehouse.at_version(made.snapshot) as lake:
            return opened(pack(lake, made, files=names, sign=self.signer.sign))

    def verify(self, files: Json | bytes, key: Path | None = None, anchor: str = "") -> int:
        path = self.folder / "pack.zip"
        path.write_bytes(files if isinstance(files, bytes) else closed(files))
        return verifier.verify(path, key or self.key, anchor)


def opened(content: bytes) -> Json:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files: Json = {name: archive.read(name) for name in archive.namelist()}
    for name in ("proof.json", "statement.json"):
        files[name] = json.loads(files[name])
    return files


def closed(files: Json) -> bytes:
    return zipped({name: _encoded(name, content) for name, content in files.items()})


def _encoded(name: str, content: Any) -> bytes:
    """As the files were written; a pack that nobody touched is the same bytes again."""
    if isinstance(content, bytes):
        return content
    if name == "proof.json":
        return verifier.canonical(content)
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def forged(files: Json) -> Json:
    """Every hash that needs no key made anew, and the CSV with it."""
    statement = files["statement.json"]
    content = verifier.canonical({**statement, "content_sha256": ""})
    statement["content_sha256"] = verifier.digest(content)
    files["statement.csv"] = render(msgspec.convert(statement, Statement), "csv")
    return rehashed(files)


def rehashed(files: Json) -> Json:
    hashes = {name: verifier.digest(_encoded(name, files[name])) for name in verifier.DOCUMENTS}
    files["proof.json"]["files"] = hashes
    return files


def unsigned(files: Json) -> Json:
    """A pack of before statements were signed: what does it prove by itself?"""
    files["proof.json"]["signature"] = None
    return forged(files)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("packs")
    config = LakeConfig(catalog=str(folder / "c.ducklake"), data_path=str(folder / "lake"))
    with Warehouse(config) as warehouse:
        schema.ensure(warehouse)
        place = Place(warehouse, folder)
        fill(warehouse)
        seal(warehouse, NEXT_DAY, place.signer)
        # One comes late to a day that is sealed, and gets a seal of its own.
        late = Books.__new__(Books)
        late.__dict__.update(BOOKS[id(warehouse)].__dict__)
        late.capture("late", 40_000, noon(DAY, minute=59))
        seal(warehouse, LAST, place.signer)
        yield place


BOOKS: dict[int, Books] = {}


def fill(warehouse: Warehouse) -> None:
    books = BOOKS[id(warehouse)] = Books(warehouse)
    books.capture("before", 50_000, noon(DAY - timedelta(days=1)))
    books.dispute("old", 20_000, noon(DAY - timedelta(days=1), 1))
    for number in range(6):
        books.capture(f"c{number}", 10_000 + number, noon(DAY, minute=number))
    books.refund("r", 1_000, noon(DAY, minute=10))
    books.return_fee("r", 20, 4, noon(DAY, minute=11))
    books.reverse("back", "c1", 10_001, noon(DAY, minute=12))
    books.pay_out("p", 30_000, noon(NEXT_DAY))
    books.lose("old", 20_000, noon(NEXT_DAY, 1))
    books.dispute_fee("old", 500, 90, noon(NEXT_DAY, 1))
    other = f"merchant:{OTHER_ID}:pending"
    warehouse.execute(
        "INSERT INTO raw_merchants (id, name, legal_name, mcc, state_code, settlement_days,"
        " livemode) VALUES ($id, 'Dosa', 'Dosa', '5812', '29', 1, false)",
        id=OTHER,
    )
    for number in range(3):
        legs = [("rail:upi_hdfc:receivable", -777), (other, 777)]
        books.post("capture", f"att_{number}", legs, noon(DAY, minute=30 + number))
    warehouse.execute(
        "UPDATE raw_accounts SET merchant_id = $id WHERE code = $code", id=OTHER, code=other
    )


@pytest.fixture(scope="module")
def good(place: Place) -> Json:
    return place.statement()


@pytest.fixture
def files(good: Json) -> Json:
    return deepcopy(good)


# ── a good pack ──────────────────────────────────────────────────────────────────────────


def test_a_good_pack_holds_in_every_respect(place: Place, good: Json, capsys) -> None:
    assert place.verify(good) == 0
    said = capsys.readouterr().out
    assert "WRONG" not in said
    assert "\nopen " not in said
    assert said.count("\nholds") == 10
    lines = good["statement.json"]["lines"]
    assert {line["kind"] for line in lines} >= {
        *("capture", "fee", "tax", "refund", "reversal", "fee_returned", "payout_sent"),
        *("dispute_lost", "dispute_fee"),
    }


def test_the_same_pack_again_is_the_same_bytes(place: Place, good: Json) -> None:
    assert closed(place.statement()) == closed(good)


def test_without_a_key_of_ones_own_it_says_so(place: Place, good: Json, capsys) -> None:
    path = place.folder / "unpinned.zip"
    path.write_bytes(closed(good))
    assert verifier.verify(path, None, "") == 2
    assert "the key in the pack may be anybody's" in capsys.readouterr().out


def test_a_folder_is_as_good_as_a_zip(place: Place, good: Json, tmp_path: Path) -> None:
    for name, content in good.items():
        (tmp_path / name).write_bytes(_encoded(name, content))
    assert verifier.verify(tmp_path, place.key, "") == 0


def test_a_seal_that_is_known_from_elsewhere_is_found_in_the_chain(
    place: Place, good: Json
) -> None:
    for seal_ in good["proof.json"]["seals"]:
        assert place.verify(good, anchor=seal_["hash"].upper()) == 0
    assert place.verify(good, anchor="a" * 64) == 1


def test_others_are_shown_as_hashes_alone(good: Json) -> None:
    proof = good["proof.json"]
    assert proof["neighbours"]
    for row in proof["neighbours"]:
        assert row.keys() == {"account_id", "seal", "leaf", "balance", "posting"}
    for row in proof["charges"]:
        assert "balance_after" not in row
    assert OTHER_ID not in json.dumps(proof)


def test_a_period_that_is_not_sealed_to_its_end_is_told(place: Place, capsys) -> None:
    files = place.statement(last=LAST + timedelta(days=1))
    assert place.verify(files) == 2
    said = capsys.readouterr().out
    assert f"left out on {LAST + timedelta(days=1)}: not sealed yet" in said
    assert "WRONG" not in said


def test_a_quiet_period_shows_the_balance_it_began_with(place: Place) -> None:
    files = place.statement(first=LAST, last=LAST)
    assert files["statement.json"]["lines"] == []
    assert files["statement.json"]["opening_minor"] != 0
    assert place.verify(files) == 0
    files["statement.json"] |= {"opening_minor": 1, "closing_minor": 1}
    files["statement.json"]["parts"] |= {"pending_minor": 1, "payable_minor": 0}
    assert place.verify(unsigned(files)) == 1


def test_a_merchant_who_never_had_anything(place: Place) -> None:
    place.warehouse.execute(
        "INSERT INTO raw_merchants (id, name, legal_name, mcc, state_code, settlement_days,"
        " livemode) VALUES ($id, 'New', 'New', '5812', '29', 1, false)",
        id=ids.derived("merchant", "New"),
    )
    files = place.statement(ids.derived("merchant", "New"))
    assert files["proof.json"]["entries"] == []
    assert place.verify(files) == 0


@pytest.mark.parametrize("key", [True, False])
def test_it_runs_alone(place: Place, good: Json, tmp_path: Path, key: bool) -> None:
    """By itself, in an interpreter that has the standard library and `cryptography`."""
    only = tmp_path / "only"
    only.mkdir()
    packages = Path(cryptography.__file__).parent.parent
    for found in packages.iterdir():
        if found.name.startswith(("cryptography", "cffi", "_cffi_backend", "pycparser")):
            (only / found.name).symlink_to(found)
    assert Path(cffi.__file__).parent.parent == packages
    script = tmp_path / "verify_statement.py"
    script.write_bytes(good["verify_statement.py"])
    (tmp_path / "pack.zip").write_bytes(closed(good))
    arguments = [str(script), str(tmp_path / "pack.zip"), *(["--key", str(place.key)] * key)]
    run = (
        f"import sys, runpy; sys.path.append({str(only)!r}); sys.argv = {arguments!r};"
        f" runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", run], capture_output=True, text=True, check=False
    )
    assert done.returncode == (0 if key else 2), done.stdout + done.stderr
    assert done.stderr == ""


# ── tampering, by name ───────────────────────────────────────────────────────────────────

Tamper = Callable[[Json], object]


def line_of(files: Json, kind: str) -> Json:
    found: Json = next(x for x in files["statement.json"]["lines"] if x["kind"] == kind)
    return found


def raise_balances(files: Json, from_: int, by: int) -> None:
    """What a careful forger does after adding an amount to a line."""
    statement = files["statement.json"]
    for line in statement["lines"][from_:]:
        line["balance_minor"] += by
    statement["closing_minor"] += by
    statement["parts"]["pending_minor"] += by


def more_credit(files: Json) -> None:
    line = line_of(files, "capture")
    line["credit_minor"] += 100
    files["statement.json"]["total_credit_minor"] += 100
    raise_balances(files, line["number"] - 1, 100)


def more_credit_and_entry(files: Json) -> None:
    more_credit(files)
    entry = next(e for e in files["proof.json"]["entries"] if e["amount_minor"] == 10_000)
    entry["amount_minor"] += 100


def higher_opening(files: Json) -> None:
    files["statement.json"]["opening_minor"] += 5
    raise_balances(files, 0, 5)


def without(files: Json, kind: str) -> Json:
    """The statement without its last line of a kind and the charges that came with it."""
    statement = files["statement.json"]
    transaction = [x for x in statement["lines"] if x["kind"] == kind][-1]["transaction_id"]
    gone = [x for x in statement["lines"] if x["transaction_id"] == transaction]
    statement["lines"] = [x for x in statement["lines"] if x not in gone]
    balance = statement["opening_minor"]
    for number, line in enumerate(statement["lines"], 1):
        balance += line["credit_minor"] - line["debit_minor"]
        line |= {"number": number, "balance_minor": balance}
    statement["parts"]["pending_minor"] += balance - statement["closing_minor"]
    statement["closing_minor"] = balance
    for side in ("debit", "credit"):
        amounts = [x[f"{side}_minor"] for x in statement["lines"] if x[f"{side}_minor"]]
        statement |= {f"total_{side}_minor": sum(amounts), f"{side}_count": len(amounts)}
    statement["fees_minor"] = verifier.charges_in(statement["lines"], verifier.FEES)
    statement["tax_minor"] = verifier.charges_in(statement["lines"], ("tax",))
    sums = verifier.charges_of(statement["lines"])
    for charge in statement["charges"]:
        names = ("count", "charged_minor", "returned_minor")
        found = sums.get((charge["name"], charge["rate_bps"]), (0, 0, 0))
        charge |= dict(zip(names, found, strict=True))
    return {"transaction": transaction}


def without_line_and_entries(files: Json, kind: str) -> None:
    gone = without(files, kind)["transaction"]
    proof = files["proof.json"]
    for name in ("entries", "charges"):
        proof[name] = [row for row in proof[name] if row["transaction_id"] != gone]
    proof["transactions"] = [row for row in proof["transactions"] if row["id"] != gone]


def drop_entry(files: Json) -> None:
    entries = files["proof.json"]["entries"]
    entries.remove(max(entries, key=lambda entry: entry["account_version"]))


def drop_account(files: Json) -> None:
    """As if nothing had ever been held back in disputes."""
    proof = files["proof.json"]
    (account,) = [each for each in proof["accounts"] if each["code"].endswith(":disputed")]
    id_ = verifier.account_id(account["code"], "INR", livemode=False, stripe=0)
    proof["accounts"].remove(account)
    proof["entries"] = [row for row in proof["entries"] if row["account_id"] != id_]


def swap_places(files: Json) -> None:
    first, second = files["proof.json"]["entries"][:2]
    first["leaf"], second["leaf"] = second["leaf"], first["leaf"]


def swap_rows(files: Json) -> None:
    lines = files["statement.json"]["lines"]
    lines[0], lines[3] = lines[3], lines[0]


def renumber(files: Json) -> None:
    """Two rows of the ledger in another order, numbers and balances made to fit."""
    first, second = files["proof.json"]["entries"][2:4]
    for name in ("account_version", "balance_after"):
        first[name], second[name] = second[name], first[name]


def change_text(files: Json) -> None:
    line_of(files, "capture")["description"] = "Payment refused"


def change_name(files: Json) -> None:
    files["statement.json"]["holder"]["legal_name"] = "Somebody Else & Co"


def change_reference(files: Json) -> None:
    line_of(files, "capture")["reference"] = "pay_other"


def change_date(files: Json) -> None:
    line_of(files, "payout_sent")["date"] = DAY.isoformat()


def fee_as_principal(files: Json) -> None:
    """A smaller fee beside a smaller principal: the same balance."""
    line, fee = line_of(files, "capture"), line_of(files, "fee")
    line["credit_minor"] -= 50
    fee["debit_minor"] -= 50
    statement = files["statement.json"]
    for name in ("total_credit_minor", "total_debit_minor", "fees_minor"):
        statement[name] -= 50
    line["balance_minor"] -= 50
    next(c for c in statement["charges"] if c["kind"] == "fee")["charged_minor"] -= 50


def change_root(files: Json) -> None:
    files["proof.json"]["seals"][0]["entries"]["root"] = "0" * 64


def change_seal(files: Json) -> None:
    """The root and the hash over it; the signature cannot follow."""
    seal_ = files["proof.json"]["seals"][0]
    seal_["entries"]["root"] = "0" * 64
    seal_["hash"] = verifier.digest(verifier.seal_text(seal_))


def drop_middle_seal(files: Json) -> None:
    del files["proof.json"]["seals"][1]


def drop_first_seal(files: Json) -> None:
    del files["proof.json"]["seals"][0]


def drop_late_seal(files: Json) -> None:
    """As if the late payment had never come: the chain ends before it."""
    proof = files["proof.json"]
    late = next(seal_["number"] for seal_ in proof["seals"] if seal_["part"] == 2)
    proof["seals"] = [seal_ for seal_ in proof["seals"] if seal_["number"] < late]
    for name in ("entries", "charges", "neighbours"):
        proof[name] = [row for row in proof[name] if row["seal"] < late]
    without(files, "capture")


def other_key(files: Json) -> None:
    """Everything sealed and signed anew, with the forger's own key."""
    forger = Signer(b"2" * 32)
    (jwk,) = [key.jwk for key in forger.keys.public]
    proof = files["proof.json"]
    proof["keys"] = [{name: jwk[name] for name in ("kty", "crv", "kid", "x", "use")}]
    previous = proof["seals"][0]["previous"]
    for seal_ in [*proof["other_seals"], *proof["seals"]]:
        if seal_ in proof["seals"]:
            seal_["previous"] = previous
        text = verifier.seal_text(seal_)
        previous = seal_["hash"] = verifier.digest(text)
        signature = verifier.base64url(forger.keys.sign(text))
        seal_ |= {"key_id": jwk["kid"], "signature": signature}
    text = verifier.statement_text(files["statement.json"], proof["files"])
    signature = verifier.base64url(forger.keys.sign(text))
    proof["signature"] = {"key_id": jwk["kid"], "signature": signature}


def another_period(files: Json) -> None:
    files["statement.json"]["end_date"] = NEXT_DAY.isoformat()
    files["statement.json"]["start_date"] = NEXT_DAY.isoformat()


def another_merchant(files: Json) -> None:
    files["statement.json"]["merchant_id"] = OTHER_ID
    files["statement.json"]["holder"]["merchant_id"] = OTHER_ID


BY_HASH: Final[dict[str, tuple[Tamper, str]]] = {
    "changed amount": (more_credit, "content was changed"),
    "changed text": (change_text, "content was changed"),
    "removed line": (lambda files: files["statement.json"]["lines"].pop(), "content was changed"),
    "reordered lines": (swap_rows, "content was changed"),
    "changed PDF": (
        lambda files: files.update({"statement.pdf": b"%PDF other"}),
        "statement.pdf is not the file",
    ),
    "changed CSV": (
        lambda files: files.update(
            {"statement.csv": files["statement.csv"].replace(b"100.00", b"100.01")}
        ),
        "statement.csv is not the file",
    ),
    "a file left out": (lambda files: files.pop("statement.pdf"), "lacks statement.pdf"),
}


@pytest.mark.parametrize("name", BY_HASH)
def test_a_careless_change_is_caught(place: Place, files: Json, name: str, capsys) -> None:
    tamper, message = BY_HASH[name]
    tamper(files)
    assert place.verify(files) == 1
    assert message in capsys.readouterr().out


FORGED: Final[dict[str, tuple[Tamper, str]]] = {
    "changed amount": (more_credit, "its lines differ by -100 from its entries"),
    "changed amount and entry": (more_credit_and_entry, "were changed"),
    "changed opening balance": (higher_opening, "opening balance is not the books'"),
    "removed line": (lambda f: without(f, "capture"), "its lines differ by"),
    "removed line and entries": (
        lambda f: without_line_and_entries(f, "refund"),
        "are left out",
    ),
    "removed last line and entries": (
        lambda f: without_line_and_entries(f, "payout_sent"),
        "are left out",
    ),
    "removed entry": (drop_entry, "are left out"),
    "removed account": (drop_account, "are left out"),
    "reordered rows": (renumber, "were changed"),
    "rows at other places": (swap_places, "were changed"),
    "reordered lines": (swap_rows, "line 1: the balance is off"),
    "changed reference": (change_reference, "another reference"),
    "changed date": (change_date, "another date"),
    "changed fee": (fee_as_principal, "fees on its lines is off by"),
    "changed seal": (change_seal, "the signature of seal"),
    "changed root": (change_root, "was changed"),
    "broken chain": (drop_middle_seal, "does not follow on the one before it"),
    "first seal left out": (drop_first_seal, "is not shown, and entries are under it"),
    "another period": (another_period, "no entry of the period"),
    "another merchant": (another_merchant, ""),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_careful_forgery_is_caught_by_the_books_alone(
    place: Place, files: Json, name: str, capsys
) -> None:
    tamper, message = FORGED[name]
    tamper(files)
    assert place.verify(unsigned(files)) == 1
    assert message in capsys.readouterr().out


@pytest.mark.parametrize("tamper", [change_text, change_name])
def test_words_are_held_by_the_signature_and_without_it_that_is_told(
    place: Place, files: Json, tamper: Tamper, capsys
) -> None:
    tamper(files)
    assert place.verify(forged(files)) == 1
    assert "the signature of the statement does not hold" in capsys.readouterr().out.lower()
    assert place.verify(unsigned(files)) == 2
    assert "the statement itself is not signed" in capsys.readouterr().out


def test_a_chain_that_ends_early_says_where_it_ends(place: Place, files: Json, capsys) -> None:
    drop_late_seal(files)
    assert place.verify(forged(deepcopy(files))) == 1
    assert place.verify(unsigned(files)) == 2
    assert f"left out on {LAST}: not sealed yet" in capsys.readouterr().out


def test_another_key_is_caught_when_ours_is_known(place: Place, files: Json, capsys) -> None:
    other_key(files)
    assert place.verify(files) == 1
    assert "with another key than the one you gave" in capsys.readouterr().out
    # By itself the forgery is whole: that is why the key must come from elsewhere.
    path = place.folder / "pack.zip"
    assert verifier.verify(path, None, "") == 2


def test_swapped_lines_of_two_merchants(place: Place, files: Json, capsys) -> None:
    other = place.statement(OTHER)
    assert place.verify(other) == 0
    theirs, ours = other["statement.json"]["lines"], files["statement.json"]["lines"]
    theirs[0], ours[0] = ours[0], theirs[0]
    for pack_ in (files, other):
        assert place.verify(unsigned(pack_)) == 1
        assert "has no entry of the period" in capsys.readouterr().out


def test_the_proof_of_another_statement_does_not_fit(place: Place, files: Json) -> None:
    files["proof.json"] = place.statement(first=NEXT_DAY)["proof.json"]
    assert place.verify(files) == 1
    assert place.verify(unsigned(files)) == 1


def test_a_csv_that_says_something_else_is_caught_even_with_its_hash(
    place: Place, files: Json, capsys
) -> None:
    rows = list(csv.reader(io.StringIO(files["statement.csv"].decode(), newline="")))
    for at, column in ((4, "balance"), (4, "reference"), (3, "balance"), (-4, "debit")):
        changed = deepcopy(rows)
        changed[at][rows[0].index(column)] += "1"
        out = io.StringIO()
        csv.writer(out).writerows(changed)
        assert changed != rows
        tampered = deepcopy(files) | {"statement.csv": out.getvalue().encode()}
        tampered["proof.json"]["signature"] = None
        if rows[at][0] in {"line", "opening", "closing", "part", "total"}:
            assert place.verify(rehashed(tampered)) == 1
            assert "CSV" in capsys.readouterr().out


# ── hostile packs: an answer, never a trace ──────────────────────────────────────────────


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("proof.json", bytes(3_000_000))
        archive.writestr("statement.json", bytes(3_000_000))
    return out.getvalue()


def holding(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, b"x")
    return out.getvalue()


def with_proof(good: Json, **changes: Any) -> bytes:
    return closed(good | {"proof.json": good["proof.json"] | changes})


HOSTILE: Final[dict[str, Callable[[Json], bytes]]] = {
    "nothing": lambda good: b"",
    "no zip": lambda good: b"PK\x03\x04 nonsense",
    "truncated zip": lambda good: closed(good)[:-100],
    "half a zip": lambda good: closed(good)[:2000],
    "a bomb": lambda good: bomb(),
    "a path out of the pack": lambda good: holding("../../etc/passwd"),
    "an absolute path": lambda good: holding("/etc/passwd"),
    "JSON nested too deeply": lambda good: closed(good | {"proof.json": b"[" * 100_000}),
    "an object nested too deeply": lambda good: closed(
        good | {"statement.json": b'{"a":' * 50_000 + b"1" + b"}" * 50_000}
    ),
    "a fraction": lambda good: closed(good | {"statement.json": b'{"opening_minor": 1.5}'}),
    "not a number": lambda good: closed(good | {"statement.json": b'{"opening_minor": NaN}'}),
    "a huge number": lambda good: closed(good | {"proof.json": b'{"a": 1' + b"0" * 9999 + b"}"}),
    "a key twice": lambda good: closed(good | {"statement.json": b'{"a": 1, "a": 2}'}),
    "no object": lambda good: closed(good | {"proof.json": b"[]"}),
    "not UTF-8": lambda good: closed(good | {"proof.json": b'{"a": "\xff"}'}),
    "nothing in the proof": lambda good: closed(good | {"proof.json": b"{}"}),
    "a huge tree": lambda good: with_proof(
        good, seals=[seal_ | {"entries": {"root": "0" * 64, "size": 2**62}}
                     for seal_ in good["proof.json"]["seals"]],
    ),
    "rows that are none": lambda good: with_proof(good, entries=[1, None, "x"]),
    "a period of a thousand years": lambda good: closed(
        good | {"statement.json": good["statement.json"] | {"start_date": "1000-01-01"}}
    ),
    "a broken key": lambda good: with_proof(good, keys=[{"x": "A"}]),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pack_is_refused_in_words(
    place: Place, good: Json, name: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "MOST_BYTES", 4_000_000)
    assert place.verify(HOSTILE[name](good)) == 1
    assert capsys.readouterr().out.startswith(("WRONG", "Statement of"))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_flipped_byte_of_the_zip_is_answered(place: Place, good: Json, data) -> None:
    content = bytearray(closed(good))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    # A byte of the zip's own dates or of the enclosed program may not matter; nothing else passes.
    if place.verify(bytes(content)) == 0:
        assert opened(bytes(content)) | PROGRAM == good | PROGRAM


PROGRAM: Final = {"verify_statement.py": b"", "README.txt": b""}


# ── any value at all ─────────────────────────────────────────────────────────────────────

Path_ = tuple[str | int, ...]


def scalars(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from scalars(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from scalars(inner, (*path, index))
    else:
        yield path


def other_value(draw: Callable[..., Any], value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + draw(st.integers(-(10**12), 10**12).filter(bool))
    if isinstance(value, str) and value:
        at = draw(st.integers(0, len(value) - 1))
        letter = draw(st.characters(codec="utf-8").filter(lambda c: c != value[at]))
        return value[:at] + letter + value[at + 1 :]
    return draw(st.sampled_from(["x", 7, []]))


def put(value: Any, path: Path_, new: Any) -> None:
    for step in path[:-1]:
        value = value[step]
    value[path[-1]] = new


def got(value: Any, path: Path_) -> Any:
    for step in path:
        value = value[step]
    return value


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), name=st.sampled_from(["statement.json", "proof.json"]))
def test_any_changed_value_is_caught(place: Place, good: Json, name: str, data) -> None:
    files = deepcopy(good)
    path = data.draw(st.sampled_from(list(scalars(files[name]))))
    put(files[name], path, other_value(data.draw, got(files[name], path)))
    assert place.verify(files) == 1, path


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    data=st.data(),
    name=st.sampled_from(["statement.json", "proof.json"]),
    new=st.sampled_from([None, True, -1, 2**60, "", "\x1b[2J", [], {}, [[]], [None], {"x": [1]}]),
)
def test_any_other_shape_is_answered(place: Place, good: Json, name: str, new, data) -> None:
    files = deepcopy(good)
    path = data.draw(st.sampled_from(list(nodes(files[name]))))
    same = got(files[name], path) == new
    put(files[name], path, new)
    assert place.verify(rehashed(files)) == 1 or same


def nodes(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Everything in a document, not its leaves alone."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inner:
        yield (*path, key)
        if isinstance(each, dict | list):
            yield from nodes(each, (*path, key))


def test_a_strangers_words_do_not_move_the_cursor(place: Place, files: Json, capsys) -> None:
    files["statement.json"]["merchant_id"] = "\x1b[2Jmrc\u202e" + "x" * 9999
    assert place.verify(files) == 1
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert max(map(len, said.splitlines())) < 600


def test_a_key_that_cannot_be_read_is_told(place: Place, good: Json, tmp_path: Path) -> None:
    for name, content in (("empty", b""), ("list", b"[]"), ("none", b'{"keys": [{}]}')):
        (tmp_path / name).write_bytes(content)
        assert place.verify(good, key=tmp_path / name) == 2
    assert place.verify(good, key=tmp_path) == 2


# What the entries prove by themselves, with no signature over the statement.
PROVEN: Final = frozenset(
    {
        *("opening_minor", "closing_minor", "total_debit_minor", "total_credit_minor"),
        *("debit_count", "credit_count", "fees_minor", "tax_minor", "merchant_id", "currency"),
        *("debit_minor", "credit_minor", "balance_minor", "transaction_id", "reference", "date"),
        *("at", "kind", "number", "livemode", "charged_minor", "returned_minor", "count"),
        *("pending_minor", "payable_minor", "reserve_minor", "escrow_minor", "disputed_minor"),
    }
)


def is_proven(path: Path_) -> bool:
    top = path[0] not in {"holder", "supplier", "number", "seal", "replaces", "changes"}
    # A charge's kind is told by its name; the statement's own number by the signature.
    return top and path[-1] in PROVEN and path[0::2] != ("charges", "kind")


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_money_or_identity_is_held_by_the_books_alone(place: Place, good: Json, data) -> None:
    files = deepcopy(good)
    statement = files["statement.json"]
    path = data.draw(st.sampled_from([p for p in scalars(statement) if is_proven(p)]))
    put(statement, path, other_value(data.draw, got(statement, path)))
    try:
        files = unsigned(files)
    except (msgspec.ValidationError, ValueError):
        files["proof.json"]["signature"] = None
        statement["content_sha256"] = verifier.digest(
            verifier.canonical({**statement, "content_sha256": ""})
        )
        files = rehashed(files)
    assert place.verify(files) == 1, path
