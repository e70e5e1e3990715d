"""An empty lake over a file catalog: no server needed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from warehouse import schema
from warehouse.connection import LakeConfig, Warehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[Warehouse]:
    config = LakeConfig(
        catalog=str(tmp_path / "catalog.ducklake"), data_path=str(tmp_path / "lake"), threads=1
    )
    with Warehouse(config) as opened:
        schema.ensure(opened)
        yield opened
