"""The model in use: swapped when its file changes, kept when the new one is bad."""

import asyncio

import pytest

from online.risk.champion import ChampionModel
from tests.unit.models.bundles import tiny_bundle

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path):
    return tmp_path / "champion.bundle"


async def test_none_was_published(path):
    champion = ChampionModel(path)
    await champion.refresh()
    assert champion.bundle is None
    assert champion.refusal == "no bundle was published"


async def test_a_new_file_is_swapped_in(path):
    champion = ChampionModel(path)
    tiny_bundle(path, "1")
    await champion.refresh()
    first = champion.bundle
    assert first is not None
    assert first.version == "1"
    await champion.refresh()
    assert champion.bundle is first, "an unchanged file is not read again"
    tiny_bundle(path, "2")
    await champion.refresh()
    assert champion.bundle is not None
    assert champion.bundle.version == "2"


@pytest.mark.parametrize("content", [b"", b"garbage", None])
async def test_a_bad_file_leaves_the_old_model(path, content):
    champion = ChampionModel(path)
    good = tiny_bundle(path, "1").read_bytes()
    await champion.refresh()
    path.write_bytes(good[:-30] if content is None else content)
    await champion.refresh()
    assert champion.bundle is not None
    assert champion.bundle.version == "1"
    assert champion.refusal
    tiny_bundle(path, "3")
    await champion.refresh()
    assert champion.bundle.version == "3"
    assert champion.refusal is None


async def test_a_file_that_vanishes_takes_no_model_away(path):
    champion = ChampionModel(path)
    tiny_bundle(path, "1")
    await champion.refresh()
    path.unlink()
    await champion.refresh()
    assert champion.bundle is not None


async def test_the_watch_sees_a_file_that_comes_later(path, monkeypatch):
    monkeypatch.setattr("online.risk.champion._INTERVAL_S", 0.01)
    champion = ChampionModel(path)
    await champion.start()
    try:
        assert champion.bundle is None
        tiny_bundle(path, "1")
        async with asyncio.timeout(5):
            while champion.bundle is None:  # noqa: ASYNC110 - the watch itself is under test
                await asyncio.sleep(0.01)
    finally:
        await champion.stop()


async def test_switched_off(tmp_path):
    champion = ChampionModel(None)
    await champion.start()
    await champion.stop()
    assert champion.refusal == "switched off"
