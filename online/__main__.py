"""`python -m online …`: serve, worker, dev, migrate, verify-books, export-schemas.

Heavy parts are imported by the command that needs them, so that each starts quickly.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path

from online.security.domain import STAFF_SCOPES


def _serve(_: argparse.Namespace) -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels

    from online.platform.metrics_port import served
    from online.platform.settings import load_settings

    server = load_settings().server
    service = Granian(
        "online.app:from_environment",
        factory=True,
        address=server.host,
        port=server.port,
        workers=server.workers,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        backlog=2048,
        backpressure=1024,
        respawn_failed_workers=True,
        workers_kill_timeout=20,
        log_level=LogLevels.warning,
        log_access=False,
    )
    with served(server.metrics_host, server.metrics_port):
        service.serve()


def _worker(_: argparse.Namespace) -> None:
    import uvloop

    from online.platform.metrics_port import served
    from online.platform.settings import load_settings

    settings = load_settings()
    with served(settings.server.metrics_host, settings.worker.metrics_port):
        # Imported once metrics have their folder.
        from online.operations import worker
        from online.platform import telemetry
        from online.services import build_services

        telemetry.configure()
        uvloop.run(worker.run(build_services(settings)))


def _dev(arguments: argparse.Namespace) -> None:
    from online.operations import dev

    dev.run(port=arguments.port, data_dir=arguments.data, as_json=arguments.json)


def _migrate(arguments: argparse.Namespace) -> None:
    from online.kernel.clock import SystemClock
    from online.platform.migrations.run import ServerTooOld, upgrade
    from online.platform.settings import load_settings

    url = arguments.database or os.environ.get("DATABASE_URL")
    url = url or load_settings().database.postgres.url
    try:
        upgrade(url, today=SystemClock().now().date())
    except ServerTooOld as error:
        sys.exit(str(error))
    print("the database is at the newest revision")


def _staff(arguments: argparse.Namespace) -> None:
    from online.operations.staff import new_client

    client = asyncio.run(new_client(frozenset(arguments.scope), livemode=arguments.livemode))
    secret = {"client_id": client.client_id, "client_secret": client.client_secret}
    print(json.dumps(secret))


def _rail_secret(arguments: argparse.Namespace) -> None:
    from base64 import b64encode

    from online.callbacks.secrets import newest_secret, rotate
    from online.platform.settings import load_settings
    from online.rails.registry import dialects

    settings = load_settings()
    if arguments.rail not in dialects(settings.payment_routes):
        sys.exit(f"there is no rail {arguments.rail}")
    secret_of = rotate if arguments.rotate else newest_secret
    secret = secret_of(settings.data_dir / "keys", arguments.rail)
    print(json.dumps({"rail": arguments.rail, "secret": b64encode(secret).decode()}))


def _verify_books(arguments: argparse.Namespace) -> None:
    import msgspec

    from online.operations.verify import verify_books

    report = asyncio.run(verify_books(arguments.database))
    print(json.dumps(msgspec.to_builtins(report)))
    sys.exit(0 if report.holds else 1)


def _seed_history(arguments: argparse.Namespace) -> None:
    from online.operations import history

    history.run(arguments)


def _risk_tiles(arguments: argparse.Namespace) -> None:
    from online.platform.settings import load_settings
    from online.risk.tiles import rebuild

    url = arguments.database or load_settings().database.postgres.url
    built = rebuild(url, arguments.series)
    print(json.dumps({"series": [{"series": s, "tiles": n} for s, n in built.items()]}))


def _export_schemas(arguments: argparse.Namespace) -> None:
    from online.kernel.schemas import json_schemas

    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, schema in json_schemas().items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        (arguments.out / f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def _diagrams(arguments: argparse.Namespace) -> None:
    from online.operations import diagrams

    if arguments.write:
        diagrams.write(arguments.write)
    else:
        print(diagrams.document())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m online", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: object, about: str) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=about)
        found.set_defaults(run=run)
        return found

    command("serve", _serve, "the HTTP service, as the settings say")
    command("worker", _worker, "recovery of open attempts, outbox, duties")
    dev = command("dev", _dev, "a whole sandbox: database, banks, service, worker, a merchant")
    dev.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    dev.add_argument("--data", type=Path, default=Path("var/dev"))
    dev.add_argument("--json", action="store_true", help="print one line of JSON when ready")
    migrate = command("migrate", _migrate, "bring a PostgreSQL ≥ 15 to the newest schema")
    migrate.add_argument("--database", help="else DATABASE_URL, else the settings")
    verify = command("verify-books", _verify_books, "derive all again from the log")
    verify.add_argument("--database", required=True)
    staff = command("staff", _staff, "a client for one of the house, its secret shown once")
    choices = sorted(STAFF_SCOPES)
    staff.add_argument("--scope", action="append", required=True, choices=choices)
    staff.add_argument("--livemode", action="store_true", help="live books, not the test mode's")
    rail = command("rail-secret", _rail_secret, "what a rail signs its callbacks with, as base64")
    rail.add_argument("rail", metavar="RAIL")
    rail.add_argument("--rotate", action="store_true", help="make a new one; the last stays live")
    tiles = command("risk-tiles", _risk_tiles, "add up sums that a new feature reads")
    tiles.add_argument("action", choices=("rebuild",))
    tiles.add_argument("--database", help="else the settings")
    tiles.add_argument("--series", type=int, action="append", help="else all that are incomplete")
    seed = command("seed-history", _seed_history, "write a seeded past through the same writer")
    seed.add_argument("--database", required=True)
    seed.add_argument("--data", type=Path, required=True)
    seed.add_argument("--payments", type=int, default=40_000)
    seed.add_argument("--days", type=int, default=60)
    seed.add_argument("--until", required=True, help="the last day of history, YYYY-MM-DD")
    seed.add_argument("--seed", type=int, default=7)
    export = command("export-schemas", _export_schemas, "the event schemas as JSON Schema files")
    export.add_argument("--out", type=Path, default=Path("docs/events"))
    drawn = command("diagrams", _diagrams, "state diagrams from the transition tables")
    drawn.add_argument("--write", type=Path, help="a Markdown file with diagram markers")
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
