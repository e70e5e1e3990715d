"""`python -m warehouse`: parse bank files, reconcile plain files, read the lake.

Belongs here: arguments and printing. Does not: anything that another module could do.
"""

import argparse
import sys
from pathlib import Path

import msgspec


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is 1 when a file or a query was refused."""
    parser = argparse.ArgumentParser(prog="python -m warehouse", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    parse = commands.add_parser("parse", help="print each bank file as one JSON document a line")
    parse.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parse.set_defaults(run=_parse)
    chosen = parser.parse_args(arguments)
    return int(chosen.run(chosen))


def _parse(chosen: argparse.Namespace) -> int:
    from warehouse.bank_files.parse import document, parse

    for path in chosen.files:
        # A file with problems is an answer, not a failure of this command.
        file = parse(path.read_bytes(), str(path))
        sys.stdout.buffer.write(msgspec.json.encode(document(file)) + b"\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
