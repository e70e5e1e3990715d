"""Wiring of wallets and top-ups: neither knows which other slices call them."""

import msgspec

from online.platform.settings import ROOT
from online.wallets.collaborators import Collaborators
from online.wallets.recording import Recording
from online.wallets.rules import load_wallet_rules
from online.wallets.service import Wallets
from online.wallets.top_ups import TopUps


class Built(msgspec.Struct, frozen=True):
    wallets: Wallets
    top_ups: TopUps


def build_wallets(**ground: object) -> Built:
    """`ground`: what `Collaborators` has, but for the rules, which are data of ours."""
    rules = load_wallet_rules(ROOT / "config" / "wallets.yaml")
    with_ = Collaborators(rules=rules, **ground)  # type: ignore[arg-type]
    recording = Recording(with_)
    wallets = Wallets(with_, recording)
    return Built(wallets, TopUps(with_, wallets, recording))
