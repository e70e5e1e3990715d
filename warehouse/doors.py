"""How a command finds the lake, and opens it for reading.

Belongs here: the arguments that every command over the lake shares. Does not: what it reads.
"""

import argparse
import json
import os
import re
from pathlib import Path

import duckdb

from warehouse.connection import LakeConfig, Warehouse, WarehouseError

_DEFAULT = "var/dev"
_PASSWORD = re.compile(r"(://[^:@/\s]*:)[^@\s]*@")


def add_lake(parser: argparse.ArgumentParser) -> None:
    """`--data`, or `--catalog` with `--data-path`; all may come from the environment."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=Path(os.environ.get("KHATA_DATA_DIR") or _DEFAULT),
        help=f"the data folder of a running system (KHATA_DATA_DIR, else {_DEFAULT})",
    )
    parser.add_argument(
        "--catalog",
        default=os.environ.get("KHATA_LAKE_CATALOG"),
        help="the lake's catalog, instead of that of the data folder (KHATA_LAKE_CATALOG)",
    )
    parser.add_argument(
        "--data-path",
        default=os.environ.get("KHATA_LAKE_DATA_PATH"),
        help="where the lake's files are, folder or s3:// (KHATA_LAKE_DATA_PATH)",
    )


def open_lake(chosen: argparse.Namespace) -> Warehouse:
    """The lake, read only. Raises `WarehouseError` with what is missing or cannot be reached."""
    return opened(lake_config(chosen.data, chosen.catalog, chosen.data_path))


def opened(config: LakeConfig) -> Warehouse:
    """The lake there. Raises `WarehouseError` if it cannot be reached, without its password."""
    try:
        return Warehouse(config)
    except duckdb.Error as error:
        # The message names the address, and with it the catalog's password.
        reason = _PASSWORD.sub(r"\1***@", " ".join(str(error).split()))
        raise WarehouseError(f"the lake cannot be opened: {reason}") from None


def lake_config(data: Path, catalog: str | None, data_path: str | None) -> LakeConfig:
    """Where the lake is: as given, else as the data folder's `dev.json` says."""
    written = data / "dev.json"
    known: dict[str, str] = json.loads(written.read_text("utf-8")) if written.is_file() else {}
    catalog = catalog or known.get("lake_database_url")
    if not catalog:
        raise WarehouseError(
            f"where is the lake? {written} is not there: give --data, or --catalog and --data-path"
        )
    path = data_path or known.get("lake_path") or str(data.absolute() / "lake")
    return LakeConfig(catalog=catalog, data_path=path, read_only=True)
