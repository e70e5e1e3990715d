"""Sealing in tests: online's own texts and keys, without its database."""

from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from online.kernel import ids
from online.seals.domain import Draft, SealedStatement, document, hash_of, statement_document
from online.seals.domain import Tree as SealedTree
from online.seals.keys import FileSealKeys, base64url
from online.security.keyfiles import KeyRing
from tests.unit.warehouse.books import noon
from warehouse.connection import Warehouse
from warehouse.proof import sealing


class Signer:
    """Answers as online does, and remembers what it was asked."""

    def __init__(self, secret: bytes = b"1" * 32) -> None:
        self.keys = FileSealKeys(KeyRing("seal_signing", {1: secret}))
        self.asked: list[sealing.Draft] = []

    def __call__(self, draft: object) -> dict[str, Any]:
        assert isinstance(draft, sealing.Draft)
        self.asked.append(draft)
        at = noon(draft.day + timedelta(days=1))
        text = document(_sealed(draft), at)
        return {
            "number": draft.number,
            "previous": draft.previous,
            "sealed_at": at.isoformat(),
            "hash": hash_of(text).hex(),
            "key_id": self.keys.current.key_id,
            "public_key": base64url(self.keys.current.value),
            "signature": base64url(self.keys.sign(text)),
            "day": draft.day.isoformat(),
            "part": draft.part,
        }

    def sign(self, body: dict[str, Any]) -> dict[str, str]:
        """Of a statement."""
        fields = {**body, "merchant_id": ids.decode("mrc", body["merchant_id"])}
        content = bytes.fromhex(fields.pop("content_sha256"))
        start, end = (date.fromisoformat(fields.pop(name)) for name in ("start_date", "end_date"))
        statement = SealedStatement(
            **fields, content_sha256=content, start_date=start, end_date=end
        )
        signature = self.keys.sign(statement_document(statement))
        return {"key_id": self.keys.current.key_id, "signature": base64url(signature)}

    @property
    def jwks(self) -> bytes:
        return msgspec.json.encode({"keys": [key.jwk for key in self.keys.public]})


def _sealed(draft: sealing.Draft) -> Draft:
    def tree(of: sealing.Tree) -> SealedTree:
        return SealedTree(root=bytes.fromhex(of.root), size=of.size)

    return Draft(
        number=draft.number,
        previous=bytes.fromhex(draft.previous),
        day=draft.day,
        part=draft.part,
        events=tree(draft.events),
        entries=tree(draft.entries),
        audit=tree(draft.audit),
        epoch=draft.epoch,
        upto_xid=draft.upto_xid,
    )


def read_until(warehouse: Warehouse, at: datetime) -> None:
    """As if the lake had been brought up to date at an instant."""
    warehouse.execute("DELETE FROM ingest_watermark")
    warehouse.execute("INSERT INTO ingest_watermark VALUES ('e', 'entries', 7, $at)", at=at)


def seal(warehouse: Warehouse, until: date, signer: Signer) -> list[tuple[date, int]]:
    """Everything up to a day that is over by then."""
    read_until(warehouse, noon(until + timedelta(days=1)))
    return sealing.seal(warehouse, until=until, send=signer)
