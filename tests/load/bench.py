"""`make bench`: what fast means, each figure next to what a user would otherwise have.

Everything durable and every check on, against one embedded PostgreSQL on loopback. Prints one
line of JSON a figure: `{"name", "value", "baseline", "ratio", "unit"}`. Machines are noisy:
compare ratios, not values.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.load import baseline, gateway, ingest, reconcile, risk, statements, writer
from tests.load.stage import Figure, Stage


def main() -> None:
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    folder = Path(tempfile.mkdtemp(prefix="khata-bench-"))
    try:
        with Stage(folder) as stage:
            for bench in _BENCHES:
                for figure in bench(stage, seconds):
                    print(json.dumps(figure.as_line()), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _writer(stage: Stage, seconds: int) -> list[Figure]:
    plain = baseline.payment_rows_per_s(stage, seconds)
    ours = writer.payments_per_s(stage, seconds)
    return [Figure("writer", ours, plain, "payments/s")]


def _gateway(stage: Stage, seconds: int) -> list[Figure]:
    plain = baseline.two_accounts_per_s(stage, seconds)
    return gateway.figures(stage, seconds, plain)


_BENCHES: tuple[Callable[[Stage, int], list[Figure]], ...] = (
    _writer,
    ingest.figures,
    reconcile.figures,
    statements.figures,
    risk.figures,
    _gateway,
)


if __name__ == "__main__":
    main()
