"""How commands and notebooks find the lake."""

import argparse
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.source import ROOT
from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse, WarehouseError
from warehouse.doors import add_lake, lake_config, open_lake


def _chosen(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_lake(parser)
    return parser.parse_args(arguments)


def _running(folder: Path, catalog: str) -> None:
    """A data folder as a running system has it."""
    folder.mkdir(exist_ok=True)
    (folder / "dev.json").write_text(json.dumps({"lake_database_url": catalog}))


def test_the_lake_of_a_data_folder(tmp_path: Path) -> None:
    _running(tmp_path, "postgresql://u@h/lake")
    found = lake_config(tmp_path, None, None)
    assert (found.catalog, found.data_path) == ("postgresql://u@h/lake", str(tmp_path / "lake"))
    assert found.read_only
    elsewhere = lake_config(tmp_path, "other.ducklake", "s3://bucket/lake")
    assert (elsewhere.catalog, elsewhere.data_path) == ("other.ducklake", "s3://bucket/lake")


def test_a_lake_that_is_not_there_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="--catalog"):
        open_lake(_chosen("--data", str(tmp_path / "nowhere")))


def test_a_lake_that_cannot_be_reached_keeps_its_password(tmp_path: Path) -> None:
    _running(tmp_path, "postgresql://khata:hunter2@127.0.0.1:9/lake?connect_timeout=1")
    with pytest.raises(WarehouseError, match="cannot be opened") as refused:
        open_lake(_chosen("--data", str(tmp_path)))
    assert "hunter2" not in str(refused.value)
    assert "127.0.0.1" in str(refused.value)


def test_the_notebook_of_the_documentation_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = str(tmp_path / "catalog.ducklake")
    data = tmp_path / "var" / "dev"
    data.mkdir(parents=True)
    _running(data, catalog)
    with Warehouse(LakeConfig(catalog=catalog, data_path=str(data / "lake"))) as lake:
        schema.ensure(lake)
        lake.execute(
            "INSERT INTO settlement_batches (business_date, net_minor) VALUES ($day, 500)",
            day=date(2026, 11, 16),
        )
    text = (ROOT / "docs" / "warehouse.md").read_text("utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - our own documentation
    assert names["days"]["net_minor"].to_list() == [500]
    assert names["older"].height == 0
    names["lake"].close()
