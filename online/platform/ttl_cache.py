"""A small cache whose entries age: for rows that seldom change and must not be stale for long."""

import time
from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class TtlCache(Generic[K, V]):
    """At most `size` entries, each for `ttl_s` seconds; the oldest goes first."""

    def __init__(self, *, ttl_s: int, size: int = 10_000) -> None:
        self._ttl_s = ttl_s
        self._size = size
        self._entries: OrderedDict[K, tuple[float, V]] = OrderedDict()

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] < time.monotonic():
            self._entries.pop(key, None)
            return None
        return entry[1]

    def put(self, key: K, value: V) -> None:
        if len(self._entries) >= self._size:
            self._entries.popitem(last=False)
        self._entries[key] = (time.monotonic() + self._ttl_s, value)

    def drop(self, key: K) -> None:
        self._entries.pop(key, None)
