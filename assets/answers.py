"""What online answered to lines that were sent to it.

Belongs here: counting answers and failing loudly on a refusal. Does not: sending.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from assets import display

_SHOWN = 20


def summary(answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many lines got which answer: a rerun shows `exists` where the first run `posted`."""
    counts = Counter(str(answer["status"]) for answer in answers)
    return {"lines": len(answers), **{f"lines_{status}": n for status, n in sorted(counts.items())}}


def require_none_refused(what: str, answers: Sequence[Mapping[str, Any]]) -> None:
    """Fail the step if online refused a line; what it accepted stays, a rerun sends the rest."""
    refused = [answer for answer in answers if answer["status"] == "refused"]
    if refused:
        columns = sorted({name for answer in refused for name in answer})
        rows = [[answer.get(name) for name in columns] for answer in refused[:_SHOWN]]
        raise dg.Failure(
            description=f"online refused {len(refused)} of {len(answers)} {what}",
            metadata={"refused": display.table(columns, rows), **summary(answers)},
            allow_retries=False,
        )
