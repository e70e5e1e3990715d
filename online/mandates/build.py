"""Wires the slice from what it calls and from the rules in `config/`."""

from msgspec import Struct

from online.customers.service import Customers
from online.limits.authority import Sources
from online.mandates.debits import Executions
from online.mandates.follower import ExecutionFollower
from online.mandates.payers import Payers
from online.mandates.rulebook import load_mandate_rules
from online.mandates.rules import MandateRules
from online.mandates.running import Collaborators, Running
from online.mandates.service import Mandates
from online.mandates.stopping import Stopping
from online.mandates.trying import Trying
from online.payments.service import Payments
from online.platform.settings import ROOT
from online.vault.service import Vault


class MandateWork(Struct, frozen=True, kw_only=True):
    """Everything of the slice that others call."""

    mandates: Mandates
    stopping: Stopping
    executions: Executions
    payers: Payers
    trying: Trying

    async def once(self) -> int:
        """A round of all that comes due by time; answers how much. For the worker.

        What is over is canceled before anything is tried; of what was made just now the payer is
        told in the same round.
        """
        return sum(
            [
                await self.stopping.expire_due(),
                await self.executions.cancel_over(),
                await self.executions.schedule_due(),
                await self.executions.notify_due(),
                await self.trying.try_due(),
                await self.stopping.tell_due(),
            ]
        )


def mandate_rules() -> MandateRules:
    return load_mandate_rules(ROOT / "config" / "mandates.yaml")


def mandate_follower() -> ExecutionFollower:
    return ExecutionFollower(mandate_rules())


def build_mandates(
    with_: Collaborators,
    payments: Payments,
    *,
    customers: Customers,
    vault: Vault,
    handles: Sources,
) -> MandateWork:
    running = Running(with_)
    return MandateWork(
        mandates=Mandates(with_, running),
        stopping=Stopping(with_, running),
        executions=Executions(with_),
        payers=Payers(customers, vault, handles),
        trying=Trying(with_, payments),
    )
