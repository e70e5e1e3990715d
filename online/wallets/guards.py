"""How a wallet that is closed refuses what races with its closing."""

from dataclasses import dataclass
from typing import ClassVar

from online.kernel.errors import Conflict, KhataError
from online.ledger.change import LimitMove, guard
from online.wallets.domain import Wallet


@dataclass(eq=False)
class WalletClosed(Conflict):
    """Nothing is loaded into it, and nothing paid from it, any more."""

    code: ClassVar[str] = "wallet_closed"


def guarded(wallet: Wallet, refusal: type[KhataError] = WalletClosed) -> LimitMove:
    """Goes with whatever was decided on an open wallet."""
    return guard(wallet.subject, wallet.livemode, refusal)
