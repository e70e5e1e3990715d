"""Many statements as files, in several processes at once.

Belongs here: the processes and what bounds them. Does not: what is rendered (`render.py`).

A worker is a program of its own (`python -m warehouse.statements.many`) that reads batches and
writes files. Forking would copy a process that has threads and open connections, and
`multiprocessing` would run its caller's main module again, which for Dagster is its command line.
A worker is replaced after some batches, since typst keeps what it has laid out; no more than a few
batches wait at a time, so that neither statements nor files pile up.
"""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import IO, Final

import msgspec

from warehouse.connection import WarehouseError
from warehouse.statements.model import Statement
from warehouse.statements.render import render

Files = dict[str, bytes]  # by format
Waiting = deque[tuple[list[Statement], Future[list[Files]]]]

_BATCH: Final = 16
_BATCHES_PER_WORKER: Final = 64
_AHEAD: Final = 3  # batches a worker may have waiting
# Below this, starting processes costs more than they save.
_WORTH_PROCESSES: Final = 32
_ROOT: Final = str(Path(__file__).parents[2])


class _Batch(msgspec.Struct, frozen=True):
    statements: list[Statement]
    formats: tuple[str, ...]


def render_many(
    statements: Iterable[Statement], formats: Sequence[str], *, processes: int | None = None
) -> Iterator[tuple[Statement, Files]]:
    """Each statement with its files, in the order given."""
    left = iter(statements)
    first = list(islice(left, _WORTH_PROCESSES))
    wanted = processes or os.cpu_count() or 1
    if len(first) < _WORTH_PROCESSES or wanted == 1:
        for statement in chain(first, left):
            yield statement, _files(statement, formats)
        return
    yield from _in_processes(chain(first, left), tuple(formats), wanted)


def _in_processes(
    statements: Iterator[Statement], formats: tuple[str, ...], processes: int
) -> Iterator[tuple[Statement, Files]]:
    waiting: Waiting = deque()
    workers = _Workers()
    with ThreadPoolExecutor(processes) as threads:
        try:
            while batch := list(islice(statements, _BATCH)):
                sent = msgspec.msgpack.encode(_Batch(batch, formats))
                waiting.append((batch, threads.submit(workers.render, sent)))
                if len(waiting) >= processes * _AHEAD:
                    yield from _next(waiting)
            while waiting:
                yield from _next(waiting)
        finally:
            for _, future in waiting:
                future.cancel()
            threads.shutdown()
            workers.close()


def _next(waiting: Waiting) -> Iterator[tuple[Statement, Files]]:
    batch, done = waiting.popleft()
    yield from zip(batch, done.result(), strict=True)


class _Workers:
    """One worker a thread."""

    def __init__(self) -> None:
        self._own = threading.local()
        self._started: list[_Worker] = []

    def render(self, sent: bytes) -> list[Files]:
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is None or worker.batches == _BATCHES_PER_WORKER:
            if worker is not None:
                self._started.remove(worker)
                worker.close()
            worker = self._own.worker = _Worker()
            self._started.append(worker)
        return worker.render(sent)

    def close(self) -> None:
        for worker in self._started:
            worker.close()


class _Worker:
    """Ends when its input does: with us, however we end."""

    def __init__(self) -> None:
        path = os.pathsep.join(filter(None, (_ROOT, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "warehouse.statements.many"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        self.batches = 0

    def render(self, sent: bytes) -> list[Files]:
        """What the worker makes of a batch; its own complaint is on standard error."""
        self.batches += 1
        into, out = self._process.stdin, self._process.stdout
        assert into is not None
        assert out is not None
        try:
            _write(into, sent)
            answer = _read(out)
        except BrokenPipeError:
            answer = None
        if answer is None:
            raise WarehouseError("a process that renders statements has ended before its work")
        return msgspec.msgpack.decode(answer, type=list[Files])

    def close(self) -> None:
        self._process.communicate()


def _files(statement: Statement, formats: Sequence[str]) -> Files:
    return {form: render(statement, form) for form in formats}


def _write(into: IO[bytes], message: bytes) -> None:
    into.write(len(message).to_bytes(8, "big") + message)
    into.flush()


def _read(out: IO[bytes]) -> bytes | None:
    """The next message; None at the end."""
    head = out.read(8)
    return out.read(int.from_bytes(head, "big")) if len(head) == 8 else None


def _serve() -> None:
    while (sent := _read(sys.stdin.buffer)) is not None:
        batch = msgspec.msgpack.decode(sent, type=_Batch)
        files = [_files(statement, batch.formats) for statement in batch.statements]
        _write(sys.stdout.buffer, msgspec.msgpack.encode(files))


if __name__ == "__main__":
    _serve()
