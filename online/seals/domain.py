"""What is sealed, and the exact bytes that are hashed and signed."""

import hashlib
from datetime import UTC, date, datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from online.kernel import ids
from online.kernel.errors import Conflict, Refused

BEFORE_ALL: Final = bytes(32)  # what the first seal names as the one before it
_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class SealConflict(Conflict):
    """The chain goes on elsewhere: another seal has this number, or it does not follow the last."""

    code = "seal_conflict"


class SealMismatch(Refused):
    """The books hold another number of rows of that day than are to be sealed."""

    code = "seal_mismatch"


class Tree(msgspec.Struct, frozen=True, kw_only=True):
    root: bytes
    size: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A seal that is asked for. `upto_xid` of `epoch` is how far the warehouse had read."""

    number: int
    previous: bytes
    day: date
    part: int
    events: Tree
    entries: Tree
    audit: Tree
    epoch: str
    upto_xid: int


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """Row of `seals`; `previous` is None for the first."""

    number: int
    previous: bytes | None
    day: date
    part: int
    events_root: bytes
    events_size: int
    entries_root: bytes
    entries_size: int
    audit_root: bytes
    audit_size: int
    epoch: str
    upto_xid: int
    sealed_at: datetime
    hash: bytes
    key_id: str
    public_key: bytes
    signature: bytes

    @property
    def draft(self) -> Draft:
        """What was asked for when it was made."""
        return Draft(
            number=self.number,
            previous=self.previous or BEFORE_ALL,
            day=self.day,
            part=self.part,
            events=Tree(root=self.events_root, size=self.events_size),
            entries=Tree(root=self.entries_root, size=self.entries_size),
            audit=Tree(root=self.audit_root, size=self.audit_size),
            epoch=self.epoch,
            upto_xid=self.upto_xid,
        )


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows of a day there are, in our books or in the warehouse."""

    events: int = 0
    entries: int = 0


class SealedStatement(msgspec.Struct, frozen=True, kw_only=True):
    """What a statement is signed as: whose, which, of when, and the hashes of its files by name."""

    merchant_id: UUID
    number: int
    edition: int
    start_date: date
    end_date: date
    content_sha256: bytes
    files: dict[str, str]


def document(draft: Draft, sealed_at: datetime) -> bytes:
    """The canonical text of a seal: what is hashed and signed."""
    return _canonical(
        {
            "type": "khata.seal.v1",
            "number": draft.number,
            "previous": draft.previous.hex(),
            "day": draft.day.isoformat(),
            "part": draft.part,
            "sealed_at": sealed_at.astimezone(UTC).strftime(_TIME),
            "events": _tree(draft.events),
            "entries": _tree(draft.entries),
            "audit": _tree(draft.audit),
        }
    )


def statement_document(statement: SealedStatement) -> bytes:
    """The canonical text of a statement: what is signed of it."""
    return _canonical(
        {
            "type": "khata.statement.v1",
            "merchant_id": ids.encode("mrc", statement.merchant_id),
            "number": statement.number,
            "edition": statement.edition,
            "start_date": statement.start_date.isoformat(),
            "end_date": statement.end_date.isoformat(),
            "content_sha256": statement.content_sha256.hex(),
            "files": statement.files,
        }
    )


def hash_of(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()


def refuse_unless_next(draft: Draft, last: Seal | None, parts: int) -> None:
    """Refuses a seal that does not continue the chain, or the parts of its day."""
    number, previous = (last.number, last.hash) if last else (0, BEFORE_ALL)
    if draft.number != number + 1:
        raise SealConflict(f"the next seal is number {number + 1}", "number")
    if draft.previous != previous:
        raise SealConflict(f"is not the hash of seal {number}", "previous")
    if draft.part != parts + 1:
        raise SealConflict(f"the next part of {draft.day} is {parts + 1}", "part")


def refuse_unless_whole(draft: Draft, sealed: Rows, warehouse: Rows, books: Rows) -> None:
    """Refuses a seal of a day that the warehouse has other rows of than we.

    A part may have fewer rows than there are left: one that was made earlier is asked for as it
    was, and what came since follows in the next.
    """
    for name in ("events", "entries"):
        ours, theirs = getattr(books, name), getattr(warehouse, name)
        after = getattr(sealed, name) + getattr(draft, name).size
        if ours != theirs:
            raise SealMismatch(
                f"{ours} {name} of {draft.day} are in the books, {theirs} in the warehouse: bring"
                " it up to date",
                f"holds.{name}",
            )
        if after > ours:
            raise SealMismatch(f"{after} {name} of {draft.day} would be sealed of {ours}", name)


def _tree(tree: Tree) -> dict[str, Any]:
    return {"root": tree.root.hex(), "size": tree.size}


def _canonical(document: dict[str, Any]) -> bytes:
    """Compact JSON with sorted keys."""
    return msgspec.json.encode(document, order="sorted")
