"""Lists by cursor: newest first, `limit` and `starting_after` in, `has_more` out.

Ids are UUIDv7, so that an id is a place in time: the cursor is the last id seen. A query takes
`after` (a uuid or null) and `most`, and reads
`… and (%(after)s::uuid is null or id < %(after)s) order by id desc limit %(most)s`.
"""

from collections.abc import Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from litestar.params import QueryParameter
from msgspec import Struct

from online.kernel import ids

T = TypeVar("T")

Limit = Annotated[int, QueryParameter(ge=1, le=100)]
Cursor = Annotated[str | None, QueryParameter(max_length=40)]
IdFilter = Annotated[str | None, QueryParameter(max_length=40)]


class Window(Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for."""

    after: UUID | None
    limit: int

    @property
    def most(self) -> int:
        """One more than asked for tells whether there is more."""
        return self.limit + 1


def window(prefix: str, limit: int, starting_after: str | None) -> Window:
    """`prefix` is that of the listed objects; another one in the cursor is refused."""
    after = ids.decode(prefix, starting_after) if starting_after else None
    return Window(after=after, limit=limit)


def cut(rows: Sequence[T], asked: Window) -> tuple[list[T], bool]:
    """The rows to show, and whether there are more."""
    return list(rows[: asked.limit]), len(rows) > asked.limit
