"""The demo's progress on the screen.

Belongs here: titles and times. Does not: any step.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Steps:
    """Progress on the screen, and how long each step took."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.took: dict[str, float] = {}

    @property
    def elapsed_s(self) -> float:
        return round(time.perf_counter() - self._start, 1)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        print(f"[{self.elapsed_s:6.1f} s] {title}", flush=True)
        start = time.perf_counter()
        yield
        self.took[title] = round(time.perf_counter() - start, 1)

    def say(self, text: str) -> None:
        print(f"{'':11}{text}", flush=True)
