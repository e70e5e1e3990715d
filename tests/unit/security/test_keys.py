"""Key files and sealed values: who may read them, and what no longer opens."""

import os
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from online.security.keyfiles import KeyFileRefused, KeyRing, load_key_ring, read_or_create
from online.security.passwords import SecretVerifier, hash_secret, new_secret
from online.security.sealing import CannotOpen, EncryptedField, Sealer

RING = KeyRing("test", {1: b"k" * 32})


def test_made_once_for_its_owner_alone(tmp_path: Path):
    path = tmp_path / "keys" / "card.key"
    ring = load_key_ring(path, "card")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert load_key_ring(path, "card").key(1) == ring.key(1)
    assert list(path.parent.iterdir()) == [path], "no temporary file stays behind"


def test_processes_that_come_at_the_same_time_agree(tmp_path: Path):
    path = tmp_path / "keys" / "card.key"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda n: read_or_create(path, lambda: b"%d" % n), range(32)))
    assert len(found) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int):
    path = tmp_path / "card.key"
    load_key_ring(path, "card")
    path.chmod(mode)
    with pytest.raises(KeyFileRefused, match="chmod"):
        load_key_ring(path, "card")


def test_a_link_is_not_followed(tmp_path: Path):
    load_key_ring(tmp_path / "real.key", "card")
    (tmp_path / "card.key").symlink_to(tmp_path / "real.key")
    with pytest.raises(KeyFileRefused):
        load_key_ring(tmp_path / "card.key", "card")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b'{"family":"card","keys":[]}',
        b'{"family":"card","keys":[{"version":1,"key":"c2hvcnQ="}]}',
        b'{"family":"card","keys":[{"version":1,"key":"!"}]}',
        b'{"family":"other","keys":[{"version":1,"key":"' + b"A" * 43 + b'="}]}',
    ],
)
def test_other_content_is_refused_without_being_repeated(tmp_path: Path, content: bytes):
    path = tmp_path / "card.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileRefused) as caught:
        load_key_ring(path, "card")
    assert "A" * 20 not in str(caught.value)


def test_a_ring_does_not_print_its_keys():
    assert "kkk" not in repr(RING)


def test_sealed_and_opened():
    field = Sealer(RING).seal(b"4242424242424242", b"row 1")
    assert field.algorithm == "AES-256-GCM"
    assert field.key_id == "test-1"
    assert b"4242" not in b64decode(field.value)
    assert Sealer(RING).open(field, b"row 1") == b"4242424242424242"


def test_the_same_value_is_never_sealed_alike():
    sealer = Sealer(RING)
    assert len({sealer.seal(b"x", b"row").value for _ in range(100)}) == 100


def test_another_context_does_not_open():
    field = Sealer(RING).seal(b"secret", b"row 1")
    with pytest.raises(CannotOpen):
        Sealer(RING).open(field, b"row 2")


def test_no_changed_byte_opens():
    sealer = Sealer(RING)
    field = sealer.seal(b"secret", b"row")
    for place in range(len(field.ciphertext)):
        changed = bytearray(field.ciphertext)
        changed[place] ^= 1
        with pytest.raises(CannotOpen):
            sealer.open(EncryptedField.of(bytes(changed), field.key_id), b"row")


@pytest.mark.parametrize("key_id", ["test-2", "other-1", "test-", "", "test-1x", "test-٣"])
def test_another_key_id_does_not_open(key_id: str):
    field = msgspec.structs.replace(Sealer(RING).seal(b"secret", b"row"), key_id=key_id)
    with pytest.raises(CannotOpen):
        Sealer(RING).open(field, b"row")


@pytest.mark.parametrize("value", ["", "AQ==", "not base64!"])
def test_what_is_too_short_does_not_open(value: str):
    with pytest.raises(CannotOpen):
        Sealer(RING).open(EncryptedField(value=value, key_id="test-1"), b"row")


def test_old_keys_still_open_and_the_newest_seals():
    old = Sealer(RING).seal(b"secret", b"row")
    both = Sealer(KeyRing("test", {1: b"k" * 32, 2: b"n" * 32}))
    assert both.open(old, b"row") == b"secret"
    assert both.seal(b"secret", b"row").key_id == "test-2"


@pytest.mark.anyio
async def test_client_secrets():
    secret = new_secret("sk_test")
    stored = hash_secret(secret)
    assert stored.startswith("$argon2id$")
    assert secret not in stored
    verifier = SecretVerifier()
    assert await verifier.verify(secret, stored)
    assert not await verifier.verify(secret + "x", stored)
    assert not await verifier.verify("", stored)
    assert not await verifier.verify(secret, None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path):
    path = tmp_path / "card.key"
    load_key_ring(path, "card")
    os.chown(path, 12345, 12345)
    with pytest.raises(KeyFileRefused, match="somebody else"):
        load_key_ring(path, "card")
