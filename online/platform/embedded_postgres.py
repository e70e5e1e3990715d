"""A PostgreSQL server of our own, started as a child and gone with its parent.

Belongs here: making and starting a cluster, and clearing up after a killed parent or a killed
server. Does not: which programs and which user (`postgres_programs`); roles, databases and
schemas: to the rest of the service this is a PostgreSQL like any other.

Beside the data folder `<dir>` stand `<dir>.password` (the superuser's, owner only), `<dir>.log`
and `<dir>.lock`, held while the server runs. Standard library alone.
"""

import ctypes
import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

from online.platform.postgres_programs import (
    Account,
    PostgresError,
    binary,
    environment,
    find_programs,
)

__all__ = ["EmbeddedPostgres", "PostgresError", "binary"]

SUPERUSER = "postgres"
HOST = "127.0.0.1"
START_TIMEOUT_S = 60.0  # recovery after a crash replays up to max_wal_size
STOP_TIMEOUT_S = 30.0
SOCKET_PREFIX = "khata-pg-"

DEFAULT_SETTINGS: Mapping[str, str] = {
    "cluster_name": "khata",
    "listen_addresses": HOST,
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}

PR_SET_PDEATHSIG = 1
# Loaded before any fork: importing in the child of a threaded process can deadlock.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class EmbeddedPostgres:
    """One cluster in `data_dir`, running between `start()` and `stop()` or inside a `with`.

    On Linux the server ends with the *thread* that called `start()` (that is how the kernel
    counts a parent), so start it from one that lives as long as the server should.
    """

    def __init__(
        self, data_dir: Path, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or 0
        self.socket_dir: Path | None = None
        self._port_is_given = port is not None
        self._has_run = False
        self._settings = {**DEFAULT_SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise PostgresError("the embedded PostgreSQL is not running")
        return self._process.pid

    @property
    def password(self) -> str:
        return self._beside("password").read_text("ascii").strip()

    @property
    def log_file(self) -> Path:
        return self._beside("log")

    def url(
        self,
        database: str = "postgres",
        user: str = SUPERUSER,
        password: str | None = None,
        *,
        scheme: str = "postgresql",
        over_socket: bool = False,
    ) -> str:
        """An address for drivers; name the driver in `scheme` for SQLAlchemy."""
        if not self.port or self.socket_dir is None:
            raise PostgresError("the embedded PostgreSQL has not been started")
        secret = quote(self.password if password is None else password, safe="")
        login = f"{scheme}://{quote(user, safe='')}:{secret}@"
        name = quote(database, safe="")
        if over_socket:
            return f"{login}/{name}?host={quote(str(self.socket_dir), safe='')}&port={self.port}"
        return f"{login}{HOST}:{self.port}/{name}"

    def start(self) -> Self:
        """Make the cluster if there is none, start it and wait until it answers.

        After the server was killed, `start()` starts it again, on the same port: clients hold it.
        """
        if self._process is not None and self._process.poll() is None:
            return self
        self.stop()
        self.data_dir.parent.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            account = Account.owning(self.data_dir)
            programs = account.reachable_programs(find_programs())
            _see_off_previous_server(self.data_dir)
            if not self.data_dir.exists():
                self._init(account, programs)
            _check_version(self.data_dir, programs)
            self._launch(account, programs)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Shut down in order if the server still can, and by force if it cannot."""
        process, self._process = self._process, None
        if process is not None:
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
                process.send_signal(number)
                try:
                    process.wait(STOP_TIMEOUT_S)
                    break
                except subprocess.TimeoutExpired:
                    continue
        self._remove_socket()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _remove_socket(self) -> None:
        if self.socket_dir is not None:
            shutil.rmtree(self.socket_dir, ignore_errors=True)
            self.socket_dir = None

    def _beside(self, suffix: str) -> Path:
        return self.data_dir.with_name(f"{self.data_dir.name}.{suffix}")

    def _take_lock(self) -> None:
        try:
            lock = self._beside("lock").open("a+", encoding="utf-8")
        except PermissionError as error:
            raise PostgresError(f"{error.filename} belongs to another user") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _first_line(lock)
            lock.close()
            raise PostgresError(
                f"{self.data_dir} is in use by process {owner}: stop it, or use another data_dir"
            ) from None
        self._lock = lock
        self._remove_abandoned_socket()

    def _note_owner(self) -> None:
        """Say in the lock who holds it, and where the socket is that a kill would leave behind."""
        assert self._lock is not None
        self._lock.truncate(0)
        self._lock.write(f"{os.getpid()}\n{self.socket_dir}\n")
        self._lock.flush()

    def _remove_abandoned_socket(self) -> None:
        assert self._lock is not None
        self._lock.seek(0)
        *_, folder = self._lock.read().splitlines() or [""]
        if Path(folder).name.startswith(SOCKET_PREFIX):
            shutil.rmtree(folder, ignore_errors=True)

    def _init(self, account: "Account", programs: Path) -> None:
        """Make the cluster under another name first: one that exists is then always whole."""
        password = self._new_password()
        unfinished = self._beside("init")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        account.give(unfinished)
        with tempfile.TemporaryDirectory(prefix=SOCKET_PREFIX, dir=_short_temp_dir()) as folder:
            account.give(Path(folder))
            password_file = Path(folder, "password")
            password_file.touch(mode=0o600)
            password_file.write_text(password, "ascii")
            account.give(password_file)
            with account.reaching(unfinished) as (path, fds):
                done = account.run(
                    [
                        *(str(programs / "initdb"), "-D", path, "-U", SUPERUSER),
                        *("-A", "scram-sha-256", f"--pwfile={password_file}", "--data-checksums"),
                        *("-E", "UTF8", "--locale=C.UTF-8", "--no-instructions"),
                    ],
                    fds,
                )
        if done.returncode != 0:
            raise PostgresError(f"initdb failed:\n{done.stderr.decode(errors='replace')}")
        unfinished.rename(self.data_dir)

    def _new_password(self) -> str:
        path = self._beside("password")
        path.unlink(missing_ok=True)
        password = secrets.token_urlsafe(24)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(password)
        return password

    def _launch(self, account: Account, programs: Path) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while True:
            log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
            self._spawn(account, programs)
            if self._wait_until_ready(programs):
                self._has_run = True
                return
            with self.log_file.open("rb") as file:
                file.seek(log_start)
                log = file.read().decode(errors="replace")
            # The port was free when it was chosen, but not when the server bound it.
            taken = "could not bind" in log and (self._has_run or not self._port_is_given)
            # A killed server's backends end when they next look up from their work.
            lingering = "is still in use" in log and "shared memory" in log
            if not (taken or lingering) or time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not start; {self.log_file} says:\n{log}")
            if taken and not self._has_run:
                self.port = 0
            time.sleep(0.1)

    def _spawn(self, account: Account, programs: Path) -> None:
        self.port = self.port or _free_port()
        self._remove_socket()
        self.socket_dir = Path(tempfile.mkdtemp(prefix=SOCKET_PREFIX, dir=_short_temp_dir()))
        account.give(self.socket_dir)
        self._note_owner()
        settings = {**self._settings, "unix_socket_directories": str(self.socket_dir)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (
            self.log_file.open("ab") as log,
            account.reaching(self.data_dir) as (path, fds),
        ):
            self._process = subprocess.Popen(
                [str(programs / "postgres"), "-D", path, "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=fds,
                # Out of the terminal's group: Ctrl-C must not stop the database before the
                # service that is still writing to it.
                start_new_session=True,
                preexec_fn=_end_with_parent(os.getpid()),  # noqa: PLW1509  two system calls
                **account.options(),
            )

    def _wait_until_ready(self, programs: Path) -> bool:
        assert self._process is not None
        ready = [str(programs / "pg_isready"), "-q", "-h", str(self.socket_dir)]
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            # Through the private socket: another server could be answering on the port.
            asked = subprocess.run([*ready, "-p", str(self.port)], env=environment(), check=False)
            if asked.returncode == 0:
                return True
            if self._process.poll() is not None:
                self._process = None
                return False
            time.sleep(0.03)
        raise PostgresError(f"PostgreSQL did not answer in {START_TIMEOUT_S:.0f} s")


def _see_off_previous_server(data_dir: Path) -> None:
    """Wait for a server whose parent was killed; forget one whose process id is now another's.

    The lock is ours, so no launcher owns a server here any more, and the kernel has told it to
    stop. A pid file whose process is gone PostgreSQL handles itself; one whose number has been
    given to a stranger would make it refuse to start.
    """
    pid_file = data_dir / "postmaster.pid"
    try:
        pid = int(pid_file.read_text("utf-8").partition("\n")[0])
    except (FileNotFoundError, ValueError):
        return
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while _is_server_in(data_dir, pid):
        if time.monotonic() > deadline:
            raise PostgresError(f"a PostgreSQL, process {pid}, still runs in {data_dir}")
        time.sleep(0.05)
    if Path(f"/proc/{pid}").exists():
        pid_file.unlink(missing_ok=True)


def _is_server_in(data_dir: Path, pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(data_dir)
    except FileNotFoundError:
        return False  # no such process
    except PermissionError:
        return False  # another user's process: not a server of ours


def _check_version(data_dir: Path, programs: Path) -> None:
    made_by = (data_dir / "PG_VERSION").read_text("ascii").strip()
    said = subprocess.run(
        [str(programs / "postgres"), "--version"], capture_output=True, check=True, text=True
    ).stdout
    match = re.search(r"(\d+)", said)
    if match is None or match[1] != made_by:
        raise PostgresError(
            f"{data_dir} was made by PostgreSQL {made_by}; this is {said.strip()}:"
            " dump and restore, or remove the folder"
        )


def _end_with_parent(parent: int) -> Any:
    if _libc is None:
        return None
    libc = _libc

    def set_parent_death_signal() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return set_parent_death_signal


def _short_temp_dir() -> str:
    """A socket's whole path has to fit in 107 bytes."""
    folder = tempfile.gettempdir()
    return folder if len(os.fsencode(folder)) < 60 else "/tmp"  # noqa: S108


def _first_line(file: IO[str]) -> str:
    file.seek(0)
    return file.readline().strip() or "unknown"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
