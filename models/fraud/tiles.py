"""How a window is cut into tiles (sums of an hour or of a day, UTC) and the events at its edges.

Belongs here: which series tiles are kept of, and the pieces of a window, as parameters of the
compiled query. Pure. Does not: SQL (`compile_postgres`), or who writes the tiles (the database, by
a trigger on the events).

    s                                                            t
    ├──┬────┬────┬────────────┬────────────┬────┬────┬──────────┤
    │ −│hour│hour│    day     │    day     │hour│hour│ hour of t, minus the events from t on
    └ the edge: the events up to the next hour, or the whole hour minus those before s

Every edge is exact, since the events come from their own table under the same snapshot; an event
newer than `t` may well be there (another clock, a payment that was faster), and is taken away.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from msgspec import Struct

from models.fraud.features import DAY, EPOCH, FEATURES, HOUR, Entity, Feature, Kind

# What a tile adds up, and of which events' expression.
AMOUNTS: Final[Mapping[str, str]] = {
    "events": "1",
    "amount": "amount_minor",
    "squares": "amount_minor::numeric * amount_minor",
}

_ENTITIES: Final[tuple[Entity, ...]] = ("customer", "card", "vpa", "device", "merchant", "ip")
_PARTS: Final[Mapping[str, int]] = {"all": 0, "fraud": 1, "good": 2}

# One bit a length of window, so that a piece that several share is read once.
_WINDOWS: Final[tuple[int, ...]] = tuple(sorted({f.window_s for f in FEATURES if f.tiled}))


def series_of(entity: Entity, kind: Kind, part: str) -> int:
    """The number of a series, as `risk_series` in the database has it."""
    if (kind == "transaction") != (part == "all"):
        raise ValueError(f"{kind}s have no series {part!r}")
    return 10 * (_ENTITIES.index(entity) + 1) + _PARTS[part]


def parts_of(feature: Feature) -> tuple[str, ...]:
    """The series whose sum the feature is: what is said of all labels is said of both kinds."""
    if feature.kind == "label" and feature.filter == "all":
        return ("fraud", "good")
    return (feature.filter,)


def needed_series() -> frozenset[int]:
    """Every series that some feature reads from tiles."""
    return frozenset(
        series_of(f.entity, f.kind, part) for f in FEATURES if f.tiled for part in parts_of(f)
    )


def window_bit(feature: Feature) -> int:
    """The bit of the feature's window in the mask of a piece."""
    return 1 << _WINDOWS.index(feature.window_s)


class Tiles(Struct, frozen=True):
    """All tiles of one grain from `since` up to `until`, and the windows they belong to."""

    mask: int
    grain_s: int
    since: datetime
    until: datetime


class Edge(Struct, frozen=True):
    """The events from `since` up to `until`, to be added (1) or taken away (-1)."""

    mask: int
    sign: int
    since: datetime
    until: datetime


def pieces(at: datetime) -> tuple[tuple[Tiles, ...], tuple[Edge, ...]]:
    """What all windows that end at `at` are made of; what several share stands there once."""
    starts = [at - timedelta(seconds=window_s) for window_s in _WINDOWS]
    firsts, last = tuple(map(_nearest, starts)), _ceil(at, HOUR)
    edges = [Edge((1 << len(starts)) - 1, -1, at, last)]
    for index, (start, first) in enumerate(zip(starts, firsts, strict=True)):
        bit = 1 << index
        inside = start <= first
        edges.append(Edge(bit, 1, start, first) if inside else Edge(bit, -1, first, start))
    return _tiles(firsts, last), tuple(edges)


def bounds(at: datetime) -> dict[str, object]:
    """The times that the compiled query is called with, for a payment at `at`, as text.

    Text, since an array of times costs the driver more than the query takes.
    """
    found: dict[str, object] = {"at": at.isoformat()}
    for window_s in _SINCE:
        found[f"since_{window_s}"] = (at - timedelta(seconds=window_s)).isoformat()
    tiles, edges = pieces(at)
    return found | _tile_columns(tiles) | _edge_columns(edges)


_SINCE: Final = tuple(sorted({f.window_s for f in FEATURES if not f.tiled}))


@lru_cache(maxsize=256)  # they change twice an hour
def _tiles(firsts: tuple[datetime, ...], last: datetime) -> tuple[Tiles, ...]:
    masks: dict[tuple[int, datetime, datetime], int] = {}
    for index, first in enumerate(firsts):
        for piece in _cut(first, last):
            masks[piece] = masks.get(piece, 0) | 1 << index
    return tuple(Tiles(mask, *piece) for piece, mask in masks.items())


@lru_cache(maxsize=256)
def _tile_columns(tiles: tuple[Tiles, ...]) -> dict[str, object]:
    return {
        "tile_masks": _array(str(tile.mask) for tile in tiles),
        "tile_grains": _array(str(tile.grain_s) for tile in tiles),
        "tile_since": _array(tile.since.isoformat() for tile in tiles),
        "tile_until": _array(tile.until.isoformat() for tile in tiles),
    }


def _edge_columns(edges: tuple[Edge, ...]) -> dict[str, object]:
    return {
        "edge_masks": _array(str(edge.mask) for edge in edges),
        "edge_signs": _array(str(edge.sign) for edge in edges),
        "edge_since": _array(edge.since.isoformat() for edge in edges),
        "edge_until": _array(edge.until.isoformat() for edge in edges),
    }


def _array(values: Iterable[str]) -> str:
    """An array as PostgreSQL reads one; no value of ours needs quotes."""
    return f"{{{','.join(values)}}}"


def _cut(first: datetime, last: datetime) -> list[tuple[int, datetime, datetime]]:
    """`[first, last)`, both on the hour, as hours up to a midnight, days, and hours again."""
    midnight, end = _ceil(first, DAY), _floor(last, DAY)
    pieces = [(HOUR, first, midnight), (DAY, midnight, end), (HOUR, end, last)]
    if midnight > end:
        pieces = [(HOUR, first, last)]
    return [piece for piece in pieces if piece[1] < piece[2]]


def _floor(at: datetime, grain_s: int) -> datetime:
    return at - (at - EPOCH) % timedelta(seconds=grain_s)


def _ceil(at: datetime, grain_s: int) -> datetime:
    floor = _floor(at, grain_s)
    return floor if floor == at else floor + timedelta(seconds=grain_s)


def _nearest(at: datetime) -> datetime:
    return _floor(at + timedelta(seconds=HOUR // 2), HOUR)
