"""The models in use: swapped when their files change, kept when the new ones are bad."""

import asyncio
import weakref

import pytest

from online.risk.model_files import Models
from tests.unit.models.bundles import tiny_bundle

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fraud.bundle"


@pytest.fixture
def beside(tmp_path):
    return tmp_path / "fraud-challenger.bundle"


def version(file):
    return file.bundle and file.bundle.version


async def test_none_was_published(path):
    models = Models(path)
    await models.refresh()
    for file in (models.champion, models.challenger):
        assert file.bundle is None
        assert file.refusal == "no bundle was published"


async def test_a_new_file_is_swapped_in(path):
    models = Models(path)
    tiny_bundle(path, "1")
    await models.refresh()
    first = models.champion.bundle
    assert version(models.champion) == "1"
    await models.refresh()
    assert models.champion.bundle is first, "an unchanged file is not read again"
    tiny_bundle(path, "2")
    await models.refresh()
    assert version(models.champion) == "2"


async def test_the_model_before_is_freed(path):
    models = Models(path)
    tiny_bundle(path, "1")
    await models.refresh()
    bundle, session = models.champion.bundle, models.champion.bundle._session
    gone = [weakref.ref(bundle), weakref.ref(session), weakref.ref(bundle.explainer.of)]
    del bundle, session
    tiny_bundle(path, "2")
    await models.refresh()
    assert [found() for found in gone] == [None, None, None]


@pytest.mark.parametrize("content", [b"", b"garbage", None])
async def test_a_bad_file_leaves_the_old_model(path, content):
    models = Models(path)
    good = tiny_bundle(path, "1").read_bytes()
    await models.refresh()
    path.write_bytes(good[:-30] if content is None else content)
    await models.refresh()
    assert version(models.champion) == "1"
    assert models.champion.refusal
    tiny_bundle(path, "3")
    await models.refresh()
    assert version(models.champion) == "3"
    assert models.champion.refusal is None


async def test_a_champion_outlives_its_file_and_a_challenger_does_not(path, beside):
    models = Models(path)
    tiny_bundle(path, "1")
    tiny_bundle(beside, "2")
    await models.refresh()
    assert (version(models.champion), version(models.challenger)) == ("1", "2")
    path.unlink()
    beside.unlink()
    await models.refresh()
    assert (version(models.champion), version(models.challenger)) == ("1", None)
    # What comes back is taken again, also with the same content.
    tiny_bundle(beside, "2")
    await models.refresh()
    assert version(models.challenger) == "2"


async def test_a_bad_challenger_is_no_matter_of_the_champions(path, beside):
    models = Models(path)
    tiny_bundle(path, "1")
    beside.write_bytes(b"garbage")
    await models.refresh()
    assert version(models.champion) == "1"
    assert models.champion.refusal is None
    assert models.challenger.bundle is None
    assert "zip" in models.challenger.refusal


async def test_several_processes_see_the_same_file(path):
    """Each watches for itself."""
    several = [Models(path) for _ in range(3)]
    tiny_bundle(path, "1")
    for models in several:
        await models.refresh()
    tiny_bundle(path, "2")
    for models in several:
        await models.refresh()
    assert {version(models.champion) for models in several} == {"2"}


async def test_the_watch_sees_a_file_that_comes_later(path, monkeypatch):
    monkeypatch.setattr("online.risk.model_files._INTERVAL_S", 0.01)
    models = Models(path)
    await models.start()
    try:
        assert models.champion.bundle is None
        tiny_bundle(path, "1")
        async with asyncio.timeout(5):
            while models.champion.bundle is None:  # noqa: ASYNC110 - the watch is under test
                await asyncio.sleep(0.01)
    finally:
        await models.stop()


async def test_switched_off():
    models = Models(None)
    await models.start()
    await models.stop()
    assert models.champion.refusal == "switched off"
