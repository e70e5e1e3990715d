"""`python -m models`: train, promote, roll back, back-test and compare fraud models.

Belongs here: the list of commands. Does not: any of them (`models.commands`).
"""

import argparse
import sys
from collections.abc import Sequence

from models.commands import backtest, compile_sql, lifecycle, parity, rules

COMMANDS = (lifecycle, backtest, rules, parity, compile_sql)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, 1 when what it looked at does not hold, 2 without a lake to look at."""
    from warehouse.connection import WarehouseError

    parser = argparse.ArgumentParser(prog="python -m models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for module in COMMANDS:
        module.add(commands)
    options = parser.parse_args(arguments)
    try:
        found: int = options.run(options)
    except WarehouseError as error:
        print(error, file=sys.stderr)
        return 2
    return found


if __name__ == "__main__":
    sys.exit(main())
