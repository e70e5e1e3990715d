"""The embedded PostgreSQL, and what happens to it when something is killed."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from online.platform.embedded_postgres import EmbeddedPostgres, PostgresError, binary

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "postgres"


@pytest.fixture
def open_dir() -> Iterator[Path]:
    """A folder that any user can come to, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="khata-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def one(url: str, query: str) -> object:
    with psycopg.connect(url, connect_timeout=10) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def make_table(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("create table kept as select 7 as x")


def run(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def wait_until(holds, seconds: float = 20.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


def is_running(pid: int) -> bool:
    """A process that has ended may stay as a zombie until someone asks for its result."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_answers_over_tcp_and_socket_with_durable_settings(data_dir):
    with EmbeddedPostgres(data_dir, settings={"work_mem": "8MB"}) as postgres:
        for url in (postgres.url(), postgres.url(over_socket=True)):
            assert one(url, "select current_user::text") == "postgres"
        for name, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "listen_addresses": "127.0.0.1",
            "max_connections": "100",
            "shared_buffers": "256MB",
            "work_mem": "8MB",
        }.items():
            assert one(postgres.url(), f"show {name}") == value, name
        assert postgres.url("a/b", "u@x", "p:w").endswith(f"{postgres.port}/a%2Fb")
        pid, socket_dir = postgres.pid, postgres.socket_dir
    assert not is_running(pid)
    assert socket_dir is not None
    assert not socket_dir.exists()


def test_a_password_is_needed_and_kept_from_others(data_dir):
    with EmbeddedPostgres(data_dir) as postgres:
        kept = data_dir.with_name("postgres.password")
        assert kept.stat().st_mode & 0o777 == 0o600
        assert kept.read_text() == postgres.password
        for over_socket in (False, True):
            url = postgres.url(password="guess", over_socket=over_socket)
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(url)


def test_restart_keeps_the_data(data_dir):
    with EmbeddedPostgres(data_dir) as postgres:
        make_table(postgres.url())
    with EmbeddedPostgres(data_dir) as postgres:
        assert one(postgres.url(), "select x from kept") == 7


def test_given_port_is_used_and_a_taken_one_is_reported(data_dir, tmp_path):
    with EmbeddedPostgres(data_dir) as first:
        with pytest.raises(PostgresError, match="could not bind"):
            EmbeddedPostgres(tmp_path / "other", port=first.port).start()
        port = first.port
    with EmbeddedPostgres(tmp_path / "other", port=port) as other:
        assert other.port == port
        assert one(other.url(), "select 1") == 1


def test_killed_server_starts_again_with_what_was_committed(data_dir):
    with EmbeddedPostgres(data_dir) as postgres:
        make_table(postgres.url())
        port = postgres.port
        busy = psycopg.connect(postgres.url())
        busy.execute("select 1")
        os.kill(postgres.pid, signal.SIGKILL)
        assert wait_until(lambda: not is_running(postgres.pid))
        postgres.start()
        assert postgres.port == port, "those who hold its address find it again"
        assert one(postgres.url(), "select x from kept") == 7
        busy.close()


def test_stale_pid_file_that_names_a_stranger_does_not_stop_it(data_dir):
    with EmbeddedPostgres(data_dir):
        pid_file = data_dir / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with EmbeddedPostgres(data_dir) as postgres:
            assert one(postgres.url(), "select 1") == 1
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_second_launcher_is_told_who_holds_the_folder(data_dir):
    with (
        EmbeddedPostgres(data_dir),
        pytest.raises(PostgresError, match=f"in use by process {os.getpid()}"),
    ):
        EmbeddedPostgres(data_dir).start()


def test_interrupted_init_is_done_again(data_dir):
    unfinished = data_dir.with_name("postgres.init")
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(data_dir) as postgres:
        assert one(postgres.url(), "select 1") == 1


def test_cluster_of_another_version_is_refused(data_dir):
    with EmbeddedPostgres(data_dir):
        pass
    (data_dir / "PG_VERSION").write_text("9\n")
    with pytest.raises(PostgresError, match="made by PostgreSQL 9"):
        EmbeddedPostgres(data_dir).start()


HOLD = """
import sys, time
from pathlib import Path
from online.platform.embedded_postgres import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1])).start()
print(postgres.pid, flush=True)
time.sleep(120)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal")
def test_killed_parent_leaves_no_orphan(data_dir):
    parent = subprocess.Popen([sys.executable, "-c", HOLD, data_dir], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    server = int(parent.stdout.readline())
    assert is_running(server)
    parent.kill()
    parent.wait()
    # At once, while the old server may still be shutting down.
    with EmbeddedPostgres(data_dir) as postgres:
        assert one(postgres.url(), "select 1") == 1
        assert not is_running(server)
    parent.stdout.close()


AS_NOBODY = """
import os, pwd, sys, shutil
from pathlib import Path
import encodings.ascii, encodings.idna, psycopg
from online.platform.embedded_postgres import EmbeddedPostgres
nobody = pwd.getpwnam("nobody")
os.setgroups([]); os.setgid(nobody.pw_gid); os.setuid(nobody.pw_uid)
with EmbeddedPostgres(Path(sys.argv[1], "postgres")) as postgres:
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("create table made_by_nobody()")
"""


@root_only
def test_normal_user_runs_it_and_root_may_take_over(open_dir, monkeypatch):
    nobody = pwd.getpwnam("nobody")
    os.chown(open_dir, nobody.pw_uid, nobody.pw_gid)
    programs = shutil.copytree(
        binary("postgres").parents[2],
        open_dir / "programs" / "embedded_postgres",
        ignore=shutil.ignore_patterns("*.py", "__pycache__"),
    )
    libraries = binary("postgres").parents[2].with_name("embedded_postgres.libs")
    shutil.copytree(libraries, open_dir / "programs" / libraries.name)
    monkeypatch.setenv("KHATA_POSTGRES_BIN", str(programs / "pginstall" / "bin"))
    done = run(AS_NOBODY, open_dir)
    assert done.returncode == 0, done.stderr
    # Root goes on as the owner of the data, and what it leaves is still the owner's.
    with EmbeddedPostgres(open_dir / "postgres") as postgres:
        assert one(postgres.url(), "select count(*) from made_by_nobody") == 0
    assert {path.stat().st_uid for path in (open_dir / "postgres").rglob("*")} == {nobody.pw_uid}


@root_only
def test_data_of_root_in_a_folder_that_others_cannot_enter(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / "postgres") as postgres:
        assert one(postgres.url(), "select 1") == 1
    assert (closed / "postgres" / "PG_VERSION").exists(), "the data stays where it was asked for"
    assert closed.stat().st_mode & 0o777 == 0o700, "and no folder is opened for it"


@root_only
def test_programs_in_a_folder_that_others_cannot_enter(tmp_path, monkeypatch):
    package = binary("postgres").parents[2]
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, closed / folder.name, symlinks=True)
    monkeypatch.setenv("KHATA_POSTGRES_BIN", str(closed / package.name / "pginstall" / "bin"))
    temp = Path(tempfile.mkdtemp(prefix="khata-test-"))
    temp.chmod(0o755)
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    try:
        with EmbeddedPostgres(tmp_path / "postgres") as postgres:
            assert one(postgres.url(), "select 1") == 1
    finally:
        shutil.rmtree(temp)


def test_programs_can_be_named():
    assert binary("pgbench").is_file()
    with pytest.raises(PostgresError, match="without pg_unheard_of"):
        binary("pg_unheard_of")
