"""`/api/v1/devices`."""

import binascii
from base64 import b64decode, urlsafe_b64decode
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, get, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import Meta, Struct

from online.devices.service import Ask, Devices, LinkOrder, Shown
from online.kernel import ids
from online.kernel.errors import InvalidRequest
from online.kernel.events import Metadata
from online.platform.calls import check_match, etag
from online.platform.http import request_id_of
from online.platform.openapi_page import problems
from online.platform.wire import WireStruct, id_of
from online.security.domain import Principal, allow

Reason = Annotated[str, Meta(min_length=1, max_length=200)]


SimHash = Annotated[str, Meta(pattern=r"^[0-9A-Za-z+/=_-]{16,128}\Z")]


class LinkDevice(WireStruct, frozen=True, kw_only=True):
    """`device_id` is your own id of the installation; `public_key` a PEM, Ed25519 or P-256."""

    customer_id: Annotated[str, id_of("cus")]
    device_id: Annotated[str, Meta(min_length=1, max_length=100)]
    platform: Literal["android", "ios", "web"]
    public_key: Annotated[str, Meta(pattern="^-----BEGIN PUBLIC KEY-----", max_length=1000)]
    sim_hash: SimHash | None = None

    def __repr__(self) -> str:
        return "LinkDevice(…)"


class VerifyDevice(WireStruct, frozen=True, kw_only=True):
    """Over the challenge's bytes, base64 (either alphabet). P-256: SHA-256, DER or r and s.
    `sim_hash`: of the SIM that the proof was sent from, as the link named it."""

    signature: Annotated[str, Meta(pattern=r"^[0-9A-Za-z+/_-]{32,200}={0,2}\Z")]
    sim_hash: SimHash | None = None


class SuspendDevice(WireStruct, frozen=True, kw_only=True):
    reason: Reason | None = None


class ResumeDevice(WireStruct, frozen=True, kw_only=True):
    """No fields."""


class RevokeDevice(WireStruct, frozen=True, kw_only=True):
    reason: Reason | None = None


class TrustPartView(Struct, frozen=True):
    code: str
    description: str
    points: int


class TrustView(Struct, frozen=True, kw_only=True):
    """From 0 to 1000: the sum of its parts."""

    score: int
    level: str
    parts: list[TrustPartView]
    scale_version: int


class DeviceView(Struct, frozen=True, kw_only=True):
    """`challenge` is there while a proof is awaited: sign its bytes as they are."""

    id: str
    device_id: str
    customer_id: str
    platform: str
    state: str
    trust: TrustView
    sim_bound: bool
    challenge: str | None
    challenge_expires_at: datetime | None
    blocked_until: datetime | None
    verified_at: datetime | None
    cooling_until: datetime | None
    reason: str | None
    livemode: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, shown: Shown) -> "DeviceView":
        device, trust = shown.device, shown.trust
        return cls(
            id=device.reference,
            device_id=shown.installation,
            customer_id=ids.encode("cus", device.customer_id),
            platform=device.platform,
            state=shown.state,
            trust=TrustView(
                score=trust.score,
                level=trust.level,
                parts=[TrustPartView(p.code, p.description, p.points) for p in trust.parts],
                scale_version=trust.scale_version,
            ),
            sim_bound=device.sim_hash is not None,
            challenge=shown.challenge,
            challenge_expires_at=device.challenge_expires_at if shown.challenge else None,
            blocked_until=device.blocked_until,
            verified_at=device.verified_at,
            cooling_until=device.cooling_until,
            reason=device.reason,
            livemode=device.livemode,
            created_at=device.created_at,
            updated_at=device.updated_at,
        )


def _shown(shown: Shown, status: int = 200) -> Response[DeviceView]:
    return Response(DeviceView.of(shown), status_code=status, headers=etag(shown.device.version))


def _metadata(request: Request[Any, Any, Any], principal: Principal) -> Metadata:
    return Metadata(actor=principal.actor, request_id=request_id_of(request))


def _ask(request: Request[Any, Any, Any], device_id: str, principal: Principal) -> Ask:
    return Ask(
        device_id=ids.decode("dev", device_id),
        merchant_id=principal.merchant,
        metadata=_metadata(request, principal),
        match=partial(check_match, request),
    )


@post(
    "/devices/link",
    status_code=201,
    summary="Link a device to a customer",
    description="The answer has a challenge; its signature by the device's key goes to "
    "`/devices/{device_id}/verify`. The same installation again is the same device: with the "
    "same key nothing changes, with another key or SIM it has to be proved again.",
    tags=["devices"],
    responses={200: ResponseSpec(DeviceView, description="It was linked before")},
    opt=allow("devices:write") | problems("not_found", "illegal_state", "device_blocked"),
)
async def link_device(
    request: Request[Any, Any, Any],
    data: JSONBody[LinkDevice],
    principal: NamedDependency[Principal],
    devices: NamedDependency[Devices],
) -> Response[DeviceView]:
    order = LinkOrder(
        merchant_id=principal.merchant,
        customer_id=ids.decode("cus", data.customer_id),
        installation=data.device_id,
        platform=data.platform,
        public_key=data.public_key,
        sim_hash=data.sim_hash,
        livemode=principal.livemode,
    )
    shown, is_new = await devices.link(order, _metadata(request, principal))
    return _shown(shown, 201 if is_new else 200)


@post(
    "/devices/{device_id:str}/verify",
    status_code=200,
    summary="Prove that a device holds its key",
    description="After three wrong proofs the device is blocked for a day; so it is when a fourth "
    "challenge is asked for and none was answered. A proof that names a SIM has to name the one "
    "that was linked: the same challenge from two numbers is refused.",
    tags=["devices"],
    opt=allow("devices:write")
    | problems(
        *("illegal_state", "challenge_expired", "proof_invalid", "device_blocked"),
        "too_many_devices",
    ),
)
async def verify_device(
    request: Request[Any, Any, Any],
    device_id: FromPath[str],
    data: JSONBody[VerifyDevice],
    principal: NamedDependency[Principal],
    devices: NamedDependency[Devices],
) -> Response[DeviceView]:
    signature = _signature(data.signature)
    ask = _ask(request, device_id, principal)
    return _shown(await devices.verify(ask, signature, data.sim_hash))


def _signature(text: str) -> bytes:
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    try:
        if "-" in bare or "_" in bare:
            return urlsafe_b64decode(padded)
        return b64decode(padded, validate=True)
    except binascii.Error:
        raise InvalidRequest("must be base64", param="signature") from None


@get(
    "/devices/{device_id:str}",
    summary="A device, its state, and how far it is trusted",
    tags=["devices"],
    opt=allow("devices:read"),
)
async def read_device(
    device_id: FromPath[str],
    principal: NamedDependency[Principal],
    devices: NamedDependency[Devices],
) -> Response[DeviceView]:
    return _shown(await devices.show(ids.decode("dev", device_id), principal.merchant))


@post(
    "/devices/{device_id:str}/suspend",
    status_code=200,
    summary="Suspend a device",
    tags=["devices"],
    opt=allow("devices:write") | problems("illegal_state", "precondition_failed"),
)
async def suspend_device(
    request: Request[Any, Any, Any],
    device_id: FromPath[str],
    data: JSONBody[SuspendDevice],
    principal: NamedDependency[Principal],
    devices: NamedDependency[Devices],
) -> Response[DeviceView]:
    return _shown(await devices.suspend(_ask(request, device_id, principal), data.reason))


@post(
    "/devices/{device_id:str}/resume",
    status_code=200,
    summary="Lift a suspension; the device cools again",
    tags=["devices"],
    opt=allow("devices:write") | problems("illegal_state", "precondition_failed"),
)
async def resume_device(
    request: Request[Any, Any, Any],
    device_id: FromPath[str],
    data: JSONBody[ResumeDevice],  # noqa: ARG001 - read so that unknown fields are refused
    principal: NamedDependency[Principal],
    devices: NamedDependency[Devices],
) -> Response[DeviceView]:
    return _shown(await devices.resume(_ask(request, device_id, principal)))


@post(
    "/devices/{device_id:str}/revoke",
    status_code=200,
    summary="Revoke a device for good",
    description="The same installation may be linked again, as a new device.",
    tags=["devices"],
    opt=allow("devices:write") | problems("precondition_failed"),
)
async def revoke_device(
    request: Request[Any, Any, Any],
    device_id: FromPath[str],
    data: JSONBody[RevokeDevice],
    principal: NamedDependency[Principal],
    devices: NamedDependency[Devices],
) -> Response[DeviceView]:
    return _shown(await devices.revoke(_ask(request, device_id, principal), data.reason))


router = Router(
    "/api/v1",
    route_handlers=[
        link_device,
        verify_device,
        read_device,
        suspend_device,
        resume_device,
        revoke_device,
    ],
)
