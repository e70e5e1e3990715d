"""`python -m warehouse verify-seals`: the lake held against its seals.

Belongs here: arguments and printing. Does not: anything that another module could do.
"""

import argparse
import json
import sys
from datetime import date
from pathlib import Path

import msgspec

from warehouse.connection import WarehouseError
from warehouse.doors import add_lake, open_lake


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command `verify-seals`."""
    verify = commands.add_parser(
        "verify-seals", help="compare every sealed row with its seal, name what differs"
    )
    add_lake(verify)
    verify.add_argument("--day", type=date.fromisoformat, metavar="DATE", help="this day alone")
    verify.add_argument(
        "--key", type=Path, metavar="KEYS.json", help="trust these public keys, not the lake's"
    )
    verify.set_defaults(run=_verify)


def _verify(chosen: argparse.Namespace) -> int:
    """One JSON line a difference, then what was compared; 1 if anything is wrong."""
    from warehouse.proof.checking import verify_seals

    try:
        keys = _keys(chosen.key) if chosen.key else None
        with open_lake(chosen) as warehouse:
            result = verify_seals(warehouse, day=chosen.day, keys=keys)
    except (WarehouseError, OSError, msgspec.DecodeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for finding in [*result.wrong, *result.late]:
        sys.stdout.write(msgspec.json.encode(finding).decode() + "\n")
    said = {
        "seals": result.seals,
        "rows": result.rows,
        "wrong": len(result.wrong),
        "unsealed": len(result.late),
        "keys": "given" if keys is not None else "the lake's own: give --key",
    }
    sys.stdout.write(json.dumps(said) + "\n")
    return 1 if result.wrong or not result.seals else 0


class _Key(msgspec.Struct):
    x: str


class _Keys(msgspec.Struct):
    keys: list[_Key]


def _keys(path: Path) -> set[str]:
    """The answer of `GET /api/v1/seals/keys`."""
    return {key.x for key in msgspec.json.decode(path.read_bytes(), type=_Keys).keys}
