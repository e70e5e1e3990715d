"""`/api/v1/seals` for whoever checks us, `/internal/v1/seals` for the warehouse."""

from datetime import date, datetime
from typing import Annotated, Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Meta, Struct

from online.kernel import ids
from online.platform.openapi_page import problems
from online.platform.wire import INT64_MAX, Text, WireStruct, id_of
from online.seals.domain import Draft, Rows, Seal, SealedStatement, Tree
from online.seals.keys import base64url
from online.seals.service import Seals
from online.security.domain import allow, allow_anyone

Hash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Number = Annotated[int, Meta(ge=1, le=INT64_MAX)]
Count = Annotated[int, Meta(ge=0, le=INT64_MAX)]
FileName = Annotated[str, Meta(pattern=r"^[a-z_]{1,40}\.[a-z]{2,5}\Z")]


class TreeWire(WireStruct, frozen=True, kw_only=True):
    """`root` of a Merkle tree (RFC 6962) of `size` leaves."""

    root: Hash
    size: Count

    def tree(self) -> Tree:
        return Tree(root=bytes.fromhex(self.root), size=self.size)


class HoldsWire(WireStruct, frozen=True, kw_only=True):
    """How many rows of the day the warehouse has; they must be as many as ours."""

    events: Count
    entries: Count


class SealRequest(WireStruct, frozen=True, kw_only=True):
    """`previous` is the hash of the seal before it, 64 zeros for the first."""

    number: Number
    previous: Hash
    day: date
    part: Annotated[int, Meta(ge=1, le=100_000)]
    events: TreeWire
    entries: TreeWire
    audit: TreeWire
    holds: HoldsWire
    epoch: Text
    upto_xid: Count

    def draft(self) -> Draft:
        return Draft(
            number=self.number,
            previous=bytes.fromhex(self.previous),
            day=self.day,
            part=self.part,
            events=self.events.tree(),
            entries=self.entries.tree(),
            audit=self.audit.tree(),
            epoch=self.epoch,
            upto_xid=self.upto_xid,
        )


class SignStatement(WireStruct, frozen=True, kw_only=True):
    """`files` are the hashes of the statement's files by name."""

    merchant_id: Annotated[str, id_of("mrc")]
    number: Count
    edition: Count
    start_date: date
    end_date: date
    content_sha256: Hash
    files: Annotated[dict[FileName, Hash], Meta(min_length=1, max_length=10)]


class TreeView(Struct, frozen=True, kw_only=True):
    root: str
    size: int


class SealView(Struct, frozen=True, kw_only=True):
    """`hash` is that of the canonical text which `signature` (Ed25519, base64url) signs; `number`
    to `sealed_at` are that text.
    """

    number: int
    previous: str
    day: date
    part: int
    events: TreeView
    entries: TreeView
    audit: TreeView
    sealed_at: datetime
    hash: str
    key_id: str
    public_key: str
    signature: str

    @classmethod
    def of(cls, seal: Seal) -> "SealView":
        return cls(
            number=seal.number,
            previous=seal.draft.previous.hex(),
            day=seal.day,
            part=seal.part,
            events=TreeView(root=seal.events_root.hex(), size=seal.events_size),
            entries=TreeView(root=seal.entries_root.hex(), size=seal.entries_size),
            audit=TreeView(root=seal.audit_root.hex(), size=seal.audit_size),
            sealed_at=seal.sealed_at,
            hash=seal.hash.hex(),
            key_id=seal.key_id,
            public_key=base64url(seal.public_key),
            signature=base64url(seal.signature),
        )


class SealList(Struct, frozen=True, kw_only=True):
    """Newest first."""

    data: list[SealView]
    has_more: bool


class StatementSignature(Struct, frozen=True, kw_only=True):
    key_id: str
    signature: str


@get(
    "/seals",
    summary="The chain of seals, newest first",
    description="Each seal has the roots of a day's Merkle trees and the hash of the seal before "
    "it. Roots tell nothing of what is under them. `starting_after` is a number.",
    tags=["proof"],
    opt=allow("statements:read", "ledger:read", "admin"),
)
async def list_seals(
    seals: NamedDependency[Seals],
    day: FromQuery[date | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=100)] = 20,
    starting_after: Annotated[int | None, QueryParameter(ge=1, le=INT64_MAX)] = None,
) -> SealList:
    found, more = await seals.page(day=day, after=starting_after, limit=limit)
    return SealList(data=[SealView.of(each) for each in found], has_more=more)


@get(
    "/seals/keys",
    summary="The public keys of seals",
    description="Every key that a seal was signed with, as RFC 7517 and RFC 8037 write them. Keep "
    "a copy: it is what the verifier of a statement is to be told.",
    tags=["proof"],
    opt=allow_anyone(),
)
async def read_seal_keys(seals: NamedDependency[Seals]) -> Response[dict[str, Any]]:
    keys = {"keys": [key.jwk for key in await seals.keys()]}
    return Response(keys, headers={"Cache-Control": "public, max-age=300"})


@post(
    "/internal/v1/seals",
    status_code=200,
    summary="Seal a day's roots",
    description="Verifies that the seal continues the chain and that the books hold exactly as "
    "many rows of the day, then signs. Idempotent by its fields.",
    tags=["internal"],
    opt=allow("service") | problems("seal_conflict", "seal_mismatch"),
)
async def seal_day(data: JSONBody[SealRequest], seals: NamedDependency[Seals]) -> SealView:
    holds = Rows(events=data.holds.events, entries=data.holds.entries)
    return SealView.of(await seals.seal(data.draft(), holds))


@post(
    "/internal/v1/seals/statements",
    status_code=200,
    summary="Sign a statement",
    description="The same statement has the same signature.",
    tags=["internal"],
    opt=allow("service"),
)
async def sign_statement(
    data: JSONBody[SignStatement], seals: NamedDependency[Seals]
) -> StatementSignature:
    signed = seals.sign_statement(
        SealedStatement(
            merchant_id=ids.decode("mrc", data.merchant_id),
            number=data.number,
            edition=data.edition,
            start_date=data.start_date,
            end_date=data.end_date,
            content_sha256=bytes.fromhex(data.content_sha256),
            files=data.files,
        )
    )
    return StatementSignature(key_id=signed.key_id, signature=base64url(signed.value))


router = Router("/api/v1", route_handlers=[list_seals, read_seal_keys])
internal_router = Router("/", route_handlers=[seal_day, sign_statement])
