"""Fault scripts: how each rail behaves, as data that may change while the sandbox runs.

Belongs here: the shape of a script, reading it with errors that name the field, and the choice of
a behaviour and a latency by hash of (seed, reference, operation): the order of concurrent calls
and restarts do not change it. Does not: what a behaviour is (`behaviour.py`), where a script is
kept (`script_store.py`), and what goes wrong with files (`faults.py`).
"""

from datetime import datetime, timedelta
from hashlib import sha256
from math import exp, log
from statistics import NormalDist
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
import yaml
from msgspec import Meta, Struct

from online.kernel.errors import InvalidRequest
from online.sandbox import wire
from online.sandbox.behaviour import BEHAVIOURS, OPERATIONS, Operation, Outcome
from online.sandbox.rails import RAILS, Rail
from online.sandbox.wire import FileFaults

T = TypeVar("T")
EVERY_RAIL: Final = "*"
ENQUIRE: Final = "enquire"
_Latency = Annotated[float, Meta(ge=0.0, le=60_000.0)]
_Second = Annotated[float, Meta(ge=0.0, le=10_000_000.0)]
# Behaviour → share of all operations, or operation → (behaviour → share) for that one instead.
Mix = dict[str, Any]
_P95: Final = NormalDist().inv_cdf(0.95)
_LONGEST_MS: Final = 60_000.0


class Latency(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Milliseconds: log-normal through `p50` and `p95`, or always `fixed`."""

    fixed: _Latency | None = None
    p50: _Latency | None = None
    p95: _Latency | None = None

    def at(self, quantile: float) -> float:
        if self.fixed is not None:
            return self.fixed
        assert self.p50 is not None and self.p95 is not None  # noqa: PT018 - checked when read
        if self.p50 == self.p95:
            return self.p50
        spread = log(self.p95 / self.p50) / _P95
        return min(exp(log(self.p50) + spread * NormalDist().inv_cdf(quantile)), _LONGEST_MS)


class Window(
    Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename={"from_": "from"}
):
    """A time in which a rail behaves otherwise: seconds since the script was set, or instants."""

    from_s: _Second | None = None
    to_s: _Second | None = None
    from_: Annotated[datetime, Meta(tz=True)] | None = None
    to: Annotated[datetime, Meta(tz=True)] | None = None
    mix: Mix = {}
    latency_ms: Latency | None = None

    def holds(self, at: datetime) -> bool:
        assert self.from_ is not None and self.to is not None  # noqa: PT018 - checked when set
        return self.from_ <= at < self.to

    def since(self, set_at: datetime) -> "Window":
        """The same as instants."""
        if self.from_s is None or self.to_s is None:
            return self
        return msgspec.structs.replace(
            self,
            from_s=None,
            to_s=None,
            from_=set_at + timedelta(seconds=self.from_s),
            to=set_at + timedelta(seconds=self.to_s),
        )


class RailScript(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How one rail behaves; what it says of the mix or the latency goes for it alone."""

    latency_ms: Latency | None = None
    mix: Mix = {}
    windows: tuple[Window, ...] = ()
    failing_enquiries: Annotated[int, Meta(ge=0, le=100)] = 2  # of `enquiry_fails`

    def window(self, at: datetime) -> Window | None:
        """The first that holds."""
        return next((window for window in self.windows if window.holds(at)), None)

    def since(self, set_at: datetime) -> "RailScript":
        """The same with windows as instants."""
        windows = tuple(window.since(set_at) for window in self.windows)
        return msgspec.structs.replace(self, windows=windows)


class Script(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All of it. A rail without a part of its own has that of `*`."""

    seed: Annotated[int, Meta(ge=0, le=2**53)] | None = None  # None: the process's
    rails: dict[str, RailScript] = {}
    files: dict[str, FileFaults] = {}

    def of(self, rail: str) -> RailScript | None:
        return self.rails.get(rail, self.rails.get(EVERY_RAIL))

    def since(self, set_at: datetime) -> "Script":
        """The same with windows as instants, so that it means the same after a restart."""
        rails = {name: part.since(set_at) for name, part in self.rails.items()}
        return msgspec.structs.replace(self, rails=rails)


class Call(Struct, frozen=True):
    """One call of the gateway; with its seed, all that chance depends on."""

    seed: int
    rail: Rail
    name: Operation | Literal["enquire"]
    reference: str
    at: datetime

    def fraction(self, of: str) -> float:
        """A number in (0, 1), the same for the same call whenever and after whatever it comes."""
        text = "\x1f".join((str(self.seed), self.reference, self.name, of))
        return (int.from_bytes(sha256(text.encode()).digest()[:6], "big") + 0.5) / 2**48


class Choice(Struct, frozen=True):
    """What the script wants of one call."""

    outcome: Outcome | None = None  # None: whatever is ordinary
    latency_s: float = 0.0


def read_script(text: bytes) -> Script:
    """A script in YAML, of which JSON is a part; a refusal names the field."""
    read = _parse(text)
    given = {name: _mapping(read.get(name) or {}, name) for name in ("rails", "files")}
    bare = _convert({**read, "rails": {}, "files": {}}, Script, "")
    for part, entries in given.items():
        for name in entries:
            if name not in RAILS and name != EVERY_RAIL:
                known = ", ".join((*RAILS, EVERY_RAIL))
                raise InvalidRequest(f"no rail {name!r}; there are {known}", param=f"{part}.{name}")
    rails = {name: _rail(part, f"rails.{name}.") for name, part in given["rails"].items()}
    files = {
        name: _convert(part, FileFaults, f"files.{name}.") for name, part in given["files"].items()
    }
    return msgspec.structs.replace(bare, rails=rails, files=files)


def read_rail(text: bytes) -> RailScript:
    """The part of one rail, alone."""
    return _rail(_parse(text), "")


def choose(script: Script, call: Call) -> Choice:
    """What becomes of an operation."""
    part = script.of(call.rail.name)
    if part is None or call.name == ENQUIRE:
        return Choice(latency_s=_latency_s(script, call))
    window = part.window(call.at)
    name = _drawn(window.mix if window else part.mix, call)
    outcome = None if name is None else BEHAVIOURS[name].outcome(call.rail.method, call.name)
    if outcome is not None and outcome.failing_enquiries:
        outcome = msgspec.structs.replace(outcome, failing_enquiries=part.failing_enquiries)
    return Choice(outcome, _latency_s(script, call))


def _latency_s(script: Script, call: Call) -> float:
    part = script.of(call.rail.name)
    if part is None:
        return 0.0
    window = part.window(call.at)
    latency = (window.latency_ms if window else None) or part.latency_ms
    return 0.0 if latency is None else latency.at(call.fraction("latency")) / 1_000


def _drawn(mix: Mix, call: Call) -> str | None:
    """The behaviour in whose share of [0, 1) the call falls."""
    shares: dict[str, Any] = mix.get(call.name, mix)
    drawn = call.fraction("behaviour")
    reached = 0.0
    for name in sorted(shares):
        if name in OPERATIONS:
            continue  # of another operation
        reached += shares[name]
        if drawn < reached:
            return name
    return None


def _parse(text: bytes) -> dict[str, Any]:
    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"neither YAML nor JSON: {str(error)[:200]}") from None
    return _mapping({} if read is None else read, None)


def _mapping(read: Any, at: str | None) -> dict[str, Any]:
    if not isinstance(read, dict) or not all(isinstance(name, str) for name in read):
        raise InvalidRequest("names with values", param=at)
    return read


def _convert(read: Any, kind: type[T], at: str) -> T:
    try:
        return msgspec.convert(read, kind)
    except msgspec.ValidationError as error:
        field = wire.field_of(str(error)) or ""
        raise InvalidRequest(str(error), param=f"{at}{field}".rstrip(".") or None) from None


def _rail(read: Any, at: str) -> RailScript:
    part = _convert(read, RailScript, at)
    _check_mix(part.mix, f"{at}mix")
    _check_latency(part.latency_ms, f"{at}latency_ms")
    for index, window in enumerate(part.windows):
        inside = f"{at}windows[{index}]"
        _check_mix(window.mix, f"{inside}.mix")
        _check_latency(window.latency_ms, f"{inside}.latency_ms")
        seconds, instants = (window.from_s, window.to_s), (window.from_, window.to)
        if (None in seconds) == (None in instants) or [*seconds, *instants].count(None) != 2:
            raise InvalidRequest("either from_s and to_s, or from and to", param=inside)
        begins, ends = seconds if None not in seconds else instants
        if begins >= ends:  # type: ignore[operator]
            raise InvalidRequest("it ends before it begins", param=inside)
    return part


def _check_latency(latency: Latency | None, at: str) -> None:
    if latency is None:
        return
    by_two = latency.p50 is not None and latency.p95 is not None
    if (latency.fixed is None) != by_two:
        raise InvalidRequest("either fixed, or p50 and p95", param=at)
    if by_two and not 0 < latency.p50 <= latency.p95:  # type: ignore[operator]
        raise InvalidRequest("0 < p50 <= p95", param=at)


def _check_mix(mix: Mix, at: str, *, of_all: bool = True) -> None:
    """Shares between 0 and 1, together at most 1, of behaviours that there are."""
    total = 0.0
    for name, share in mix.items():
        inside = f"{at}.{name}"
        if of_all and name in OPERATIONS:
            _check_mix(_mapping(share, inside), inside, of_all=False)
        elif name not in BEHAVIOURS:
            known = ", ".join(BEHAVIOURS)
            raise InvalidRequest(f"no behaviour {name!r}; there are {known}", param=inside)
        elif isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise InvalidRequest("a share between 0 and 1", param=inside)
        else:
            total += share
    if total > 1 + 1e-9:
        raise InvalidRequest(f"the shares add up to {total:g}, more than 1", param=at)
