"""`python -m online.sandbox serve`: the banks in a process of their own, until SIGTERM.

`fraud-engine` runs a fraud engine of another company instead.
`traffic` prints what the world's people pay on a day, one JSON object a line, for others to send.
`magic` prints the values that make the banks do something, as Markdown.
"""

import argparse
import asyncio
import signal
import sys
from datetime import date
from pathlib import Path

import msgspec
import uvloop
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server.embed import Server
from litestar import Litestar

from online.kernel.clock import FileClock, SystemClock
from online.kernel.errors import InvalidRequest
from online.sandbox import documentation, fraud_engine
from online.sandbox.app import create_app
from online.sandbox.rails import RAILS
from online.sandbox.running import Settings
from online.sandbox.script import read_script
from online.sandbox.world import World


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m online.sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="run the bank and acquirer simulators")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--data", type=Path, required=True, help="where the records are kept")
    serve.add_argument("--seed", type=int, default=7, help="decides reference numbers and faults")
    serve.add_argument("--clock", type=Path, help="clock file shared with the service")
    serve.add_argument("--callback-url", help="the service to tell when an operation ends")
    serve.add_argument(
        "--callback-secrets", type=Path, help="JSON, rail → base64; without it nothing is told"
    )
    serve.add_argument("--script", type=Path, help="how the banks misbehave, in YAML")
    serve.add_argument("--slow-s", type=float, default=2.0, help="how long a slow answer takes")
    serve.add_argument(
        "--hold-s", type=float, default=10.0, help="how long a timed-out answer is held back"
    )
    serve.add_argument("--pending-s", type=int, default=1, help="age at which pending@khata ends")
    serve.add_argument(
        "--payer-expiry-s", type=int, default=900, help="how long a payer may take to act"
    )
    serve.add_argument(
        "--public-url", help="where payers reach this process; default: the port on 127.0.0.1"
    )
    engine = commands.add_parser("fraud-engine", help="run a fraud engine of another company")
    engine.add_argument("--host", default="127.0.0.1")
    engine.add_argument("--port", type=int, default=8091)
    engine.add_argument("--seed", type=int, default=7, help="decides scores and failures")
    engine.add_argument("--latency-ms", type=int, default=0, help="waits so long with each answer")
    engine.add_argument("--failure-rate", type=float, default=0.0, help="0 to 1")
    engine.add_argument("--score", type=int, help="for every payment; default: by its instrument")
    traffic = commands.add_parser("traffic", help="print a day's payments, one JSON a line")
    traffic.add_argument("--day", type=date.fromisoformat, required=True, metavar="YYYY-MM-DD")
    traffic.add_argument("--payments", type=int, default=300)
    traffic.add_argument("--seed", type=int, default=7, help="decides who there is")
    values = commands.add_parser("magic", help="print the values that make the banks do something")
    values.add_argument("--write", type=Path, metavar="FILE", help="into a file instead")
    return parser.parse_args()


def _traffic(arguments: argparse.Namespace) -> None:
    world = World(arguments.seed)
    names = {person.ref: person.name for person in world.customers}
    for payment in world.demo_day(arguments.day, arguments.payments):
        line = {
            **msgspec.structs.asdict(payment),
            "customer_name": names[payment.customer_ref],
            "pan": None if payment.card is None else world.pan(payment.card),
        }
        print(msgspec.json.encode(line).decode())


def _magic(into: Path | None) -> None:
    if into is None:
        print(documentation.page())
    else:
        into.write_text(documentation.page(), encoding="utf-8")


def _check(script: Path) -> None:
    """A script that nobody can follow is said before anything starts."""
    try:
        read_script(script.read_bytes())
    except InvalidRequest as refused:
        sys.exit(f"{script}: {refused.param or 'the file'}: {refused.detail}")
    except OSError as error:
        sys.exit(f"{script}: {error.strerror}")


async def _serve(arguments: argparse.Namespace) -> None:
    if arguments.script:
        _check(arguments.script)
    settings = Settings(
        data=arguments.data,
        seed=arguments.seed,
        callback_url=arguments.callback_url,
        callback_secrets=arguments.callback_secrets,
        script=arguments.script,
        hold_s=arguments.hold_s,
        slow_s=arguments.slow_s,
        pending_s=arguments.pending_s,
        payer_expiry_s=arguments.payer_expiry_s,
        public_url=arguments.public_url or f"http://127.0.0.1:{arguments.port}",
    )
    clock = FileClock(arguments.clock) if arguments.clock else SystemClock()
    stopping = asyncio.Event()
    app = create_app(settings, clock, stopping)
    announcing = asyncio.create_task(_announce(settings, arguments))
    await _run(app, arguments, stopping)
    announcing.cancel()


async def _announce(settings: Settings, arguments: argparse.Namespace) -> None:
    """Says where everything is, once somebody is listening there."""
    while True:
        try:
            _, writer = await asyncio.open_connection(arguments.host, arguments.port)
        except OSError:
            await asyncio.sleep(0.1)
            continue
        writer.close()
        break
    data, url = settings.data.absolute(), f"http://{arguments.host}:{arguments.port}"
    told = {
        "banks": url,
        "rails": ", ".join(f"{url}/rails/{name}" for name in RAILS),
        "script": f"{url}/admin/script (GET, PUT, DELETE; docs/sandbox.md)",
        "one rail": f"POST {url}/admin/rails/<rail>/behaviour",
        "records": f"{url}/admin/operations, {url}/admin/movements; {data / 'bank.sqlite'}",
        "files": f"POST {url}/admin/close-day writes them into the inbox that it names",
        "callbacks": settings.callback_url or "none (--callback-url, --callback-secrets)",
    }
    print("\n".join(f"{name:10} {what}" for name, what in told.items()), flush=True)


async def _serve_fraud_engine(arguments: argparse.Namespace) -> None:
    habits = fraud_engine.Habits(
        seed=arguments.seed,
        latency_ms=arguments.latency_ms,
        failure_rate=arguments.failure_rate,
        score=arguments.score,
    )
    await _run(fraud_engine.create_app(habits), arguments, asyncio.Event())


async def _run(app: Litestar, arguments: argparse.Namespace, stopping: asyncio.Event) -> None:
    """Until a signal; `stopping` is set before the server waits for what is under way."""
    # In this very process, so that a kill of it leaves no worker behind on the port.
    server = Server(
        app,
        address=arguments.host,
        port=arguments.port,
        interface=Interfaces.ASGI,
        log_level=LogLevels.error,
        backlog=1024,
        backpressure=1024,
    )

    def stop() -> None:
        stopping.set()
        server.stop()  # type: ignore[no-untyped-call]

    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)
    await server.serve()


def main() -> None:
    arguments = _arguments()
    if arguments.command == "traffic":
        _traffic(arguments)
    elif arguments.command == "magic":
        _magic(arguments.write)
    elif arguments.command == "fraud-engine":
        uvloop.run(_serve_fraud_engine(arguments))
    else:
        uvloop.run(_serve(arguments))


if __name__ == "__main__":
    main()
