"""Programs that the commands start and end: the sandbox, one-off commands, servers.

Belongs here: starting, waiting, stopping what we started ourselves. Does not: what they do. All are
started from Python, since a shell's `&` makes a program deaf to Ctrl-C and Dagster to SIGTERM too.
"""

import contextlib
import ctypes
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from pipelines.resources import DATA_DIR, ROOT

_START_S: Final = 120
_STOP_S: Final = 60
_PR_SET_PDEATHSIG: Final = 1
# Loaded before any fork: importing in the child of a threaded process can deadlock.
_libc: Final = ctypes.CDLL(None) if sys.platform == "linux" else None


class CommandFailed(Exception):
    """A program that we started did not do what it should."""


def environment(data: Path) -> dict[str, str]:
    """Ours, with the data folder and the sandbox's settings."""
    overlay = str(ROOT / "config" / "dev.yaml")
    return {
        **os.environ,
        DATA_DIR: str(data),
        "KHATA_CONFIG": os.pathsep.join(filter(None, (overlay, os.environ.get("KHATA_CONFIG")))),
        "PYTHONUNBUFFERED": "1",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """A program in the background, with a log, that ends when we do."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str],
        stdout: int | None = None,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                list(command),
                cwd=ROOT,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=out if stdout is None else stdout,
                stderr=out,
                # Ctrl-C reaches us alone; we then stop each program in order.
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call
            )

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for what does not listen."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(number)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(_STOP_S)

    def require_running(self) -> None:
        if self.process.poll() is not None:
            raise CommandFailed(
                f"{self.name} has ended with {self.process.returncode}; {self.log} says:\n"
                + tail(self.log)
            )


class OnlineDev:
    """`python -m online dev`: database, banks, service and worker of one data folder."""

    def __init__(self, data: Path, *, port: int = 0) -> None:
        self._data = data
        self._port = port
        self._program: Program | None = None
        self.about: dict[str, str] = {}

    def start(self) -> None:
        """Start it; `wait` until it is ready."""
        stop_left_over(self._data)
        python = [sys.executable, "-m", "online", "dev", "--json"]
        self._program = Program(
            "online dev",
            [*python, "--port", str(self._port), "--data", str(self._data)],
            log=self._data / "logs" / "dev.log",
            env=environment(self._data),
            stdout=subprocess.PIPE,
        )
        pid_file(self._data).write_text(str(self._program.process.pid), encoding="ascii")

    def wait(self) -> None:
        """Until it has said where everything is."""
        assert self._program is not None
        self.about = json.loads(_first_line(self._program))

    def stop(self) -> None:
        """End it, and with it all that it started."""
        if self._program is not None:
            self._program.stop()
            pid_file(self._data).unlink(missing_ok=True)

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def require_running(self) -> None:
        assert self._program is not None
        self._program.require_running()


def run(arguments: Sequence[str], *, data: Path, show: bool = False) -> str:
    """`python -m <arguments>` to its end; its standard output, or `CommandFailed`."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=environment(data),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=None if show else subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        said = f"{done.stdout}\n{done.stderr or ''}".strip()
        raise CommandFailed(f"python -m {' '.join(arguments[:2])} failed:\n{said[-4000:]}")
    return done.stdout


def last_json(text: str) -> dict[str, Any]:
    """The JSON object that a command prints as its last line."""
    lines = [line for line in text.splitlines() if line.startswith("{")]
    if not lines:
        raise CommandFailed(f"no JSON in: {text[-500:]!r}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def pid_file(data: Path) -> Path:
    return data / "dev.pid"


def stop_left_over(data: Path) -> None:
    """End the sandbox of this folder that a killed run left behind, and nothing else."""
    try:
        pid = int(pid_file(data).read_text("ascii"))
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ValueError):
        return
    if b"online" not in command or str(data).encode() not in command:
        return  # the number has been given to somebody else
    os.kill(pid, signal.SIGTERM)
    end = time.monotonic() + _STOP_S
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.1)


def tail(path: Path, lines: int = 15) -> str:
    if not path.exists():
        return ""
    return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-lines:])


def _first_line(program: Program) -> str:
    assert program.process.stdout is not None
    with selectors.DefaultSelector() as waiting:
        waiting.register(program.process.stdout, selectors.EVENT_READ)
        if waiting.select(_START_S):
            line = program.process.stdout.readline().decode()
            if line.startswith("{"):
                return line
            time.sleep(0.2)  # until it has ended, and said why in its log
            program.require_running()
    raise CommandFailed(f"{program.name} was not ready in {_START_S} s:\n{tail(program.log)}")


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
