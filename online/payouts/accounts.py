"""Where a beneficiary's money goes: in the clear only between the vault and the rail.

Belongs here: reading what a merchant names, what may be known of it outside, sealing and opening
it. Does not: whose account it is (`beneficiaries.py`).
"""

from typing import Any, Final
from uuid import UUID

import msgspec

from online.customers.domain import mask_vpa
from online.kernel.errors import InvalidRequest
from online.payouts.beneficiary import Beneficiary, Kind
from online.payouts.names import mask_account, mask_name
from online.rails.domain import Beneficiary as BankAccount
from online.rails.domain import Payee, VpaBeneficiary
from online.vault.sealed import Place
from online.vault.service import Vault

_PURPOSE: Final = "beneficiary"


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What a merchant says of a beneficiary: an account with its IFSC, or a VPA."""

    name: str
    account: str | None = None
    ifsc: str | None = None
    vpa: str | None = None

    def payee(self) -> Payee:
        if self.vpa is not None and self.account is None and self.ifsc is None:
            return VpaBeneficiary(vpa=self.vpa.lower(), name=self.name)
        if self.account is not None and self.ifsc is not None and self.vpa is None:
            return BankAccount(account=self.account, ifsc=self.ifsc, name=self.name)
        raise InvalidRequest("an account has a number and an IFSC; otherwise it is a VPA", "vpa")


def kind_of(payee: Payee) -> Kind:
    return "vpa" if isinstance(payee, VpaBeneficiary) else "bank_account"


def known_of(vault: Vault, payee: Payee) -> dict[str, Any]:
    """What events may say of it: masks, and a keyed hash that tells the same account again."""
    about = {"kind": kind_of(payee), "name_mask": mask_name(payee.name)}
    if isinstance(payee, VpaBeneficiary):
        fingerprint = vault.instrument_hash(payee.vpa)
        return {**about, "mask": mask_vpa(payee.vpa), "fingerprint": fingerprint}
    return {
        **about,
        "mask": mask_account(payee.account),
        "fingerprint": vault.account_hash(payee.ifsc, payee.account),
        "ifsc": payee.ifsc,
    }


def place_of(sealed_id: UUID, merchant_id: UUID) -> Place:
    return Place(purpose=_PURPOSE, id=sealed_id, merchant_id=merchant_id)


def text_of(payee: Payee) -> str:
    """As it is sealed."""
    return msgspec.json.encode(payee).decode()


async def opened(vault: Vault, beneficiary: Beneficiary) -> Payee:
    """In the clear, for the rail."""
    text = await vault.open_text(place_of(beneficiary.sealed_id, beneficiary.merchant_id))
    if beneficiary.kind == "vpa":
        return msgspec.json.decode(text, type=VpaBeneficiary)
    return msgspec.json.decode(text, type=BankAccount)
