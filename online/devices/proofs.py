"""Keys that devices hold, and signatures by them: Ed25519, or ECDSA with SHA-256 on P-256."""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from online.kernel.errors import InvalidRequest

PublicKey = Ed25519PublicKey | EllipticCurvePublicKey

_RAW: int = 64  # r and s of P-256 side by side, as browsers give them


def read_public_key(pem: str) -> PublicKey:
    """A PEM of SubjectPublicKeyInfo; `InvalidRequest` for anything but the two kinds."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except Exception:  # noqa: BLE001 - whatever the parser meets, the field is wrong
        raise InvalidRequest("must be a public key as PEM", param="public_key") from None
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise InvalidRequest("must be an Ed25519 or a P-256 key", param="public_key")


def canonical_pem(key: PublicKey) -> str:
    """The same text for the same key, however its PEM was written."""
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def holds(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    """ECDSA signatures come as DER (phones) or as r and s side by side (browsers)."""
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            if len(signature) == _RAW:
                half = _RAW // 2
                r, s = (int.from_bytes(part) for part in (signature[:half], signature[half:]))
                signature = encode_dss_signature(r, s)
            key.verify(signature, signed, ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError):
        return False
    return True
