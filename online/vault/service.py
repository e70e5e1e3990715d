"""Tokenize, look up by token, reveal to a rail."""

import hashlib
import hmac
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import ClassVar
from uuid import UUID

import structlog

from online.kernel import ids
from online.kernel.clock import Clock, business_date
from online.kernel.errors import InvalidRequest, NotFound, Unavailable
from online.ledger.change import Append
from online.platform.db import Database
from online.platform.settings import ROOT
from online.security.keyfiles import KeyRing, load_key_ring
from online.security.sealing import CannotOpen, EncryptedField, Sealer
from online.vault import store
from online.vault.bins import BinTable, load_bins
from online.vault.domain import (
    Card,
    CardToken,
    Kind,
    Pan,
    Vpa,
    check_cvc,
    check_expiry,
    network_of,
    read_pan,
)
from online.vault.sealed import Place, Sealed, SealedText, row

log = structlog.get_logger("khata.vault")


@dataclass(eq=False)
class CardUnreadable(Unavailable):
    """A stored card does not open: its row, its context or its key was changed."""

    code: ClassVar[str] = "card_unreadable"
    retryable: ClassVar[bool] = False


@dataclass(eq=False)
class TextUnreadable(Unavailable):
    """A sealed text does not open: its row, its context or its key was changed."""

    code: ClassVar[str] = "sealed_text_unreadable"
    retryable: ClassVar[bool] = False


class Vault:
    """The slice's face. `reveal` is for rails alone; everything else deals in tokens."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        card_keys: KeyRing,
        hash_keys: KeyRing,
        bins: BinTable | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._bins = bins or BinTable()
        self._sealer = Sealer(card_keys)
        # A fingerprint must stay the same when card keys rotate, so it has a key of its own.
        self._hash_key = hash_keys.key(1)

    async def tokenize(
        self,
        *,
        merchant_id: UUID,
        livemode: bool,
        number: str,
        exp_month: int,
        exp_year: int,
        cvc: str | None = None,
        kind: Kind = "card",
    ) -> CardToken:
        """Checks and seals what is behind a token; a security code is looked at and forgotten."""
        now = self._clock.now()
        pan = read_pan(number)
        check_expiry(exp_month, exp_year, business_date(now))
        known = self._bins.find(pan.reveal(), business_date(now))
        network = known.network if known else network_of(pan.reveal())
        check_cvc(cvc, network)
        token = CardToken(
            id=ids.new(now),
            merchant_id=merchant_id,
            fingerprint=self._fingerprint(pan, merchant_id),
            first6=pan.first6,
            last4=pan.last4,
            exp_month=exp_month,
            exp_year=exp_year,
            network=network,
            livemode=livemode,
            kind=kind,
            funding=known.funding if known else None,
            issuer=known.issuer if known else None,
            country=known.country if known else None,
            category=known.category if known else None,
        )
        sealed = self._sealer.seal(pan.reveal().encode(), _context(token.id, merchant_id))
        async with self._database.connection() as connection:
            await store.insert_card(
                connection,
                token,
                pan_ciphertext=sealed.ciphertext,
                key_id=sealed.key_id,
                created_at=now,
            )
        return token

    async def token(self, token_id: UUID, merchant_id: UUID) -> CardToken:
        """What a token shows; `NotFound` for another merchant's, as for none."""
        async with self._database.connection() as connection:
            token = await store.token(connection, token_id, merchant_id)
        if token is None:
            raise NotFound("there is no such card token")
        return token

    async def reveal(self, token_id: UUID, merchant_id: UUID) -> Card:
        """The card in the clear: a rail adapter's `CardSource`, nobody else's."""
        async with self._database.connection() as connection:
            row = await store.sealed_card(connection, token_id, merchant_id)
        if row is None or row.pan_ciphertext is None:
            raise NotFound("there is no such card token")
        field = EncryptedField.of(row.pan_ciphertext, row.key_id)
        try:
            digits = self._sealer.open(field, _context(token_id, merchant_id)).decode()
        except CannotOpen:
            log.exception("card_unreadable", token_id=ids.encode("tok", token_id))
            raise CardUnreadable("the card cannot be read") from None
        return Card(pan=Pan(digits), exp_month=row.exp_month, exp_year=row.exp_year)

    def seal_text(self, place: Place, text: str, *, livemode: bool) -> Append:
        """The row that keeps `text`, for the change that makes the object it belongs to."""
        found = self._sealer.seal(text.encode(), place.context)
        sealed = SealedText(found.ciphertext, found.key_id)
        return row(place, sealed, self._clock.now(), livemode=livemode)

    async def open_text(self, place: Place) -> str:
        """What was sealed there: for whoever hands it to a rail, nobody else."""
        async with self._database.connection() as connection:
            sealed = await store.sealed_text(connection, place)
        if sealed is None:
            raise NotFound("there is nothing sealed for this")
        field = EncryptedField.of(sealed.ciphertext, sealed.key_id)
        try:
            return self._sealer.open(field, place.context).decode()
        except CannotOpen:
            log.exception("sealed_text_unreadable", id=str(place.id), purpose=place.purpose)
            raise TextUnreadable("what was sealed cannot be read") from None

    async def open_vpa(self, reference: Sealed) -> Vpa:
        """The VPA behind a reference: a rail adapter's, at the last moment."""
        place = Place(purpose=reference.purpose, id=reference.id, merchant_id=reference.merchant_id)
        return Vpa(await self.open_text(place))

    def alias_hash(self, alias: str) -> str:
        """An alias as it is stored: whoever reads the database cannot pay by it."""
        return self._keyed_hash(b"alias", alias.encode())

    def account_hash(self, ifsc: str, account: str) -> str:
        """A bank account as events know it."""
        return self._keyed_hash(b"account", f"{ifsc}\x00{account}".upper().encode())

    def instrument_hash(self, vpa: str) -> str:
        """A VPA as events and features know it: the same payer, unreadable without the key."""
        return self._keyed_hash(b"vpa", vpa.strip().lower().encode())

    def ip_hash(self, address: str) -> str:
        """An internet address as events and features know it. InvalidRequest if it is none.

        Of IPv6 the network of 64 bits, since a host takes a new address in it every day.
        """
        try:
            found = ip_address(address)
        except ValueError:
            raise InvalidRequest("this is no IPv4 or IPv6 address", param="ip_address") from None
        if isinstance(found, IPv6Address):
            mapped = found.ipv4_mapped
            found = mapped or IPv6Address(int(found) >> 64 << 64)
        return self._keyed_hash(b"ip", str(found).encode())

    def card_fingerprint(self, number: str, merchant_id: UUID) -> str:
        """A card as events and features know it, the same for the same merchant and number."""
        return self._fingerprint(read_pan(number), merchant_id)

    def _fingerprint(self, pan: Pan, merchant_id: UUID) -> str:
        return self._keyed_hash(b"card\x00" + merchant_id.bytes, pan.reveal().encode())

    def _keyed_hash(self, purpose: bytes, value: bytes) -> str:
        return hmac.new(self._hash_key, purpose + b"\x00" + value, hashlib.sha256).hexdigest()


def build_vault(database: Database, clock: Clock, key_folder: Path) -> Vault:
    """With the key files of a data folder, made on first use."""
    return Vault(
        database,
        clock,
        card_keys=load_key_ring(key_folder / "card_encryption.key", "card_encryption"),
        hash_keys=load_key_ring(key_folder / "instrument_hash.key", "instrument_hash"),
        bins=load_bins(ROOT / "config" / "bins.yaml"),
    )


def _context(token_id: UUID, merchant_id: UUID) -> bytes:
    """What a sealed card belongs to: copied to another row, it does not open."""
    return b"card_tokens\x00" + token_id.bytes + merchant_id.bytes
