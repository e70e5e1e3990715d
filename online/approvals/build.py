"""Approvals with whom they ask."""

from typing import Protocol

from online.approvals.service import Approvals, Collaborators
from online.delegations.service import Delegations
from online.devices.service import Devices
from online.kernel.clock import Clock
from online.ledger.writer import Writer
from online.limits.service import Limits
from online.merchants.service import Merchants
from online.payments.service import Payments
from online.platform.db import Database


class Below(Protocol):
    """What is wired before (`ground.py`)."""

    @property
    def database(self) -> Database: ...

    @property
    def writer(self) -> Writer: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def merchants(self) -> Merchants: ...

    @property
    def devices(self) -> Devices: ...

    @property
    def delegations(self) -> Delegations: ...

    @property
    def limits(self) -> Limits: ...


def build_approvals(below: Below, payments: Payments) -> Approvals:
    return Approvals(
        Collaborators(
            database=below.database,
            writer=below.writer,
            clock=below.clock,
            merchants=below.merchants,
            devices=below.devices,
            delegations=below.delegations,
            limits=below.limits,
            payments=payments,
        )
    )
