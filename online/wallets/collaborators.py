"""What the use cases of this slice call; wired once in `build.py`."""

import msgspec

from online.attempts.service import Attempts
from online.customers.service import Customers
from online.kernel.clock import Clock
from online.ledger.writer import Writer
from online.limits.service import Limits
from online.merchants.service import Merchants
from online.platform.db import Database
from online.routing.service import Routing
from online.vault.service import Vault
from online.wallets.rules import WalletRules


class Collaborators(msgspec.Struct, frozen=True, kw_only=True):
    database: Database
    writer: Writer
    clock: Clock
    attempts: Attempts
    merchants: Merchants
    customers: Customers
    routing: Routing
    vault: Vault
    limits: Limits
    rules: WalletRules
