"""Key files: made on first use, readable by their owner alone, the same for every process.

Belongs here: how a key reaches and leaves the disk. Does not: what a key is used for.
"""

import os
import stat
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct


class KeyFileRefused(Exception):
    """A key file that cannot be trusted or read; the message names the file, never a key."""


class _KeyEntry(Struct, frozen=True, forbid_unknown_fields=True):
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    key: str  # base64, 32 bytes


class _KeyDocument(Struct, frozen=True, forbid_unknown_fields=True):
    family: str
    keys: Annotated[list[_KeyEntry], Meta(min_length=1)]


class KeyRing:
    """The versions of one 256-bit key. The newest seals, every one still opens."""

    def __init__(self, family: str, keys: dict[int, bytes]) -> None:
        self.family = family
        self._keys = keys
        self.current = max(keys)

    def __repr__(self) -> str:
        return f"KeyRing({self.family!r}, versions={sorted(self._keys)})"

    @property
    def versions(self) -> list[int]:
        return sorted(self._keys)

    def key(self, version: int) -> bytes:
        try:
            return self._keys[version]
        except KeyError:
            raise KeyFileRefused(f"{self.family}: no key of version {version}") from None

    def key_id(self, version: int) -> str:
        return f"{self.family}-{version}"

    def version_of(self, key_id: str) -> int:
        family, _, version = key_id.rpartition("-")
        if family != self.family or not version.isdecimal():
            raise KeyFileRefused(f"{self.family}: {key_id[:40]!r} is not one of its keys")
        return int(version)


def load_key_ring(path: Path, family: str) -> KeyRing:
    """The ring in `path`, made with one random key if there is no such file yet."""

    def first_key() -> bytes:
        entry = _KeyEntry(1, b64encode(os.urandom(32)).decode())
        return msgspec.json.encode(_KeyDocument(family, [entry]))

    try:
        document = msgspec.json.decode(read_or_create(path, first_key), type=_KeyDocument)
        keys = {entry.version: b64decode(entry.key, validate=True) for entry in document.keys}
    except (msgspec.DecodeError, ValueError):
        raise KeyFileRefused(f"{path}: not a key file") from None
    if document.family != family or any(len(key) != 32 for key in keys.values()):
        raise KeyFileRefused(f"{path}: not 256-bit keys of the family {family}")
    return KeyRing(family, keys)


def add_key(path: Path, family: str, *, keep: int) -> KeyRing:
    """The ring in `path` with a new key, and no more than the `keep` newest."""
    ring = load_key_ring(path, family)
    keys = {version: ring.key(version) for version in ring.versions}
    keys[ring.current + 1] = os.urandom(32)
    entries = [_KeyEntry(v, b64encode(keys[v]).decode()) for v in sorted(keys)[-keep:]]
    _replace(path, msgspec.json.encode(_KeyDocument(family, entries)))
    return load_key_ring(path, family)


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """The owner-only file's content. Two processes that come first agree on one of theirs."""
    content = _read(path)
    if content is None:
        _create(path, make())
        content = _read(path)
    if content is None:
        raise KeyFileRefused(f"{path}: vanished while it was being made")
    return content


def _read(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyFileRefused(f"{path}: cannot be read: {error.strerror}") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise KeyFileRefused(f"{path}: not a regular file")
        if status.st_mode & 0o077:
            raise KeyFileRefused(f"{path}: others may read it; chmod 600 it")
        if status.st_uid not in (os.geteuid(), 0):
            raise KeyFileRefused(f"{path}: belongs to somebody else")
        return file.read()


def _create(path: Path, content: bytes) -> None:
    temporary = _written_beside(path, content)
    try:
        os.link(temporary, path)  # unlike a rename, it never replaces another's key
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    _sync_folder(path)


def _replace(path: Path, content: bytes) -> None:
    _written_beside(path, content).replace(path)
    _sync_folder(path)


def _written_beside(path: Path, content: bytes) -> Path:
    """A temporary file with all of `content` on the disk."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "wb") as file:  # mkstemp makes it 0600
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(temporary)


def _sync_folder(path: Path) -> None:
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
