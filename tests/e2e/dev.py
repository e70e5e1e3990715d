"""`python -m online dev` as a user runs it: started, read, killed in part, stopped."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from tests.architecture.source import ROOT


class Dev:
    """One run. `about` is the line it prints when it is ready."""

    def __init__(self, data_dir: Path, settings: Mapping[str, str] = {}) -> None:
        self.data_dir = data_dir
        self._settings = settings
        self.about: dict[str, str] = {}

    def __enter__(self) -> "Dev":
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KHATA_")}
        self._errors = (self.data_dir.parent / "dev.log").open("ab")
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "online", "dev", "--port", "0", "--json"),
                *("--data", str(self.data_dir)),
            ],
            cwd=ROOT,
            env=clean | self._settings,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()  # ends when it is ready, or dead
        assert line, (self.data_dir.parent / "dev.log").read_text("utf-8")[-3_000:]
        self.about = json.loads(line)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.stop()
        self._errors.close()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def stop(self) -> int:
        """SIGTERM, as Ctrl-C or a supervisor would; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(40)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    @property
    def base_url(self) -> str:
        return self.about["base_url"]

    def token(self) -> str:
        """An access token of the seeded merchant."""
        answer = httpx.post(
            f"{self.base_url}/api/v1/auth/token",
            json={
                "client_id": self.about["client_id"],
                "client_secret": self.about["client_secret"],
                "grant_type": "client_credentials",
            },
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def kill(self, *commands: str) -> int:
        """SIGKILL to our own descendants that run one of `commands`; answers how many."""
        self._signal(signal.SIGSTOP, commands)  # or one of them starts another meanwhile
        return self._signal(signal.SIGKILL, commands)

    def _signal(self, number: signal.Signals, commands: tuple[str, ...]) -> int:
        victims = [pid for pid, line in self.descendants() if any(c in line for c in commands)]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)
        return len(victims)

    def descendants(self) -> list[tuple[int, str]]:
        """Processes under this one, with their command lines."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            fields = _read(stat).rpartition(")")[2].split()
            if fields:
                children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
        found, edge = [], [self._process.pid]
        while edge:
            edge = [child for parent in edge for child in children.get(parent, [])]
            found += edge
        lines = [(pid, _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")) for pid in found]
        return [(pid, line) for pid, line in lines if line]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""  # it ended meanwhile


def eventually(check: Any, *, within_s: float, every_s: float = 0.2) -> Any:
    """What `check` answers once it answers something; fails when it never does."""
    end = time.monotonic() + within_s
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < end, f"still not after {within_s} s"
        time.sleep(every_s)
