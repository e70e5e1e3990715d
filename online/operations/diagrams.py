"""State diagrams, drawn from the transition tables themselves.

`python -m online diagrams --write ARCHITECTURE.md` puts them between the markers of that file; a
test fails when they are not what the tables say.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from online.approvals import domain as approvals
from online.attempts import domain as attempts
from online.breaks import domain as breaks
from online.delegations import domain as delegations
from online.devices import domain as devices
from online.disputes import domain as disputes
from online.escrows import domain as escrows
from online.handles import domain as handles
from online.holds import domain as holds
from online.intents import domain as intents
from online.kernel.events import Event
from online.mandates import domain as mandates
from online.mandates import executions
from online.payments import domain as payments
from online.payouts import beneficiary as beneficiaries
from online.payouts import domain as payouts
from online.refunds import domain as refunds
from online.reviews import domain as reviews
from online.screening import domain as screening
from online.settlements import domain as settlements
from online.transfers import domain as transfers
from online.wallets import domain as wallets
from online.wallets import top_up as top_ups

Table = Mapping[tuple[StrEnum | None, type[Event]], StrEnum]

TABLES: Final[Mapping[str, Any]] = {
    "Intent": intents.TRANSITIONS,
    "Payment": payments.TRANSITIONS,
    "Attempt": attempts.TRANSITIONS,
    "Refund": refunds.TRANSITIONS,
    "Transfer": transfers.TRANSITIONS,
    "Wallet": wallets.TRANSITIONS,
    "Top-up of a wallet": top_ups.TRANSITIONS,
    "Dispute": disputes.TRANSITIONS,
    "Hold": holds.TRANSITIONS,
    "Escrow": escrows.TRANSITIONS,
    "Settlement": settlements.TRANSITIONS,
    "Payout": payouts.TRANSITIONS,
    "Beneficiary": beneficiaries.TRANSITIONS,
    "Mandate": mandates.TRANSITIONS,
    "Execution of a mandate": executions.TRANSITIONS,
    "Break": breaks.TRANSITIONS,
    "Device": devices.TRANSITIONS,
    "Handle": handles.TRANSITIONS,
    "Delegation": delegations.TRANSITIONS,
    "Request for approval": approvals.TRANSITIONS,
    "Review": reviews.TRANSITIONS,
    "Entry of a risk list": screening.TRANSITIONS,
}
_BLOCK: Final = re.compile(r"(<!-- diagrams: begin -->\n).*?(<!-- diagrams: end -->)", re.DOTALL)


def mermaid(table: Table) -> str:
    """One `stateDiagram-v2`; moves that keep the state are left out."""
    lines = ["stateDiagram-v2"]
    for (before, event), after in table.items():
        if before is None:
            lines.append(f"    [*] --> {after}")
        elif before != after:
            lines.append(f"    {before} --> {after}: {event.TYPE.partition('.')[2]}")
    ends = set(table.values()) - {before for (before, _), after in table.items() if before != after}
    lines += [f"    {end} --> [*]" for end in sorted(ends)]
    return "\n".join(lines)


def document() -> str:
    """All diagrams as Markdown."""
    parts = [f"**{name}**\n\n```mermaid\n{mermaid(table)}\n```\n" for name, table in TABLES.items()]
    return "\n".join(parts)


def written_into(text: str) -> str:
    """`text` with its marked block replaced."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{document()}\n{match[2]}", text)


def write(path: Path) -> None:
    path.write_text(written_into(path.read_text(encoding="utf-8")), encoding="utf-8")
