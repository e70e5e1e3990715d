"""The price list as it is written (`config/fees.yaml`), and what makes it one that can be used.

One rule of precedence: the first row that fits a sale prices it, in the order of the file. So a
list is refused when a row can never be reached because earlier ones cover it, and when a sale of
any method, on any day since the first, would find no row.
"""

from collections.abc import Hashable, Iterable, Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

METHODS: Final = ("upi", "card")
SIZES: Final = ("standard", "small")
ANY_OTHER: Final = ""  # stands for every value that no row names
_MCCS: Final = 10_000

Bps = Annotated[int, Meta(ge=0, le=10_000)]
Minor = Annotated[int, Meta(ge=0, le=10**15)]
Names = Annotated[tuple[Annotated[str, Meta(min_length=1)], ...], Meta(min_length=1)]
MccRange = (
    Annotated[int, Meta(ge=1_000, le=9_999)] | Annotated[str, Meta(pattern=r"^\d{4}(-\d{4})?\Z")]
)
Method = Literal["upi", "card"]
Size = Literal["standard", "small"]


class UnusableList(ValueError):
    """A price list that contradicts itself, or leaves something without a price."""


class MdrRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row: what it names it asks for, what it leaves out it does not care about.

    Amounts are minor units; bands and days are inclusive. The fee is `mdr_bps` of the amount
    plus `fixed_minor`, then at least `min_fee_minor`, then at most `cap_minor`.
    """

    mdr_bps: Bps
    valid_from: date
    source: str
    valid_to: date | None = None
    method: Method | None = None
    rail: Names | None = None
    network: Names | None = None  # of a card
    funding: Names | None = None
    merchant_size: Annotated[tuple[Size, ...], Meta(min_length=1)] | None = None
    mcc: Annotated[tuple[MccRange, ...], Meta(min_length=1)] | None = None
    min_amount_minor: Minor = 1
    max_amount_minor: Minor | None = None
    fixed_minor: Minor = 0
    min_fee_minor: Minor = 0
    cap_minor: Minor | None = None

    @property
    def mccs(self) -> frozenset[str] | None:
        """Every category of its ranges; None: all there are."""
        if self.mcc is None:
            return None
        return frozenset(code for part in self.mcc for code in _codes(part))


class Exemption(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Sales whose fee bears no GST up to the rule's amount."""

    method: Method
    funding: Names | None = None


class GstRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """GST on the fee. `exempt_up_to_minor` compares the captured amount, not the fee."""

    gst_bps: Bps
    valid_from: date
    source: str
    valid_to: date | None = None
    exempt: tuple[Exemption, ...] = ()
    exempt_up_to_minor: Minor = 0


class PriceList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All rows; `home_state` is the supplier's state code (ours)."""

    home_state: str
    mdr: Annotated[tuple[MdrRule, ...], Meta(min_length=1)]
    gst: Annotated[tuple[GstRule, ...], Meta(min_length=1)]


def _codes(part: int | str) -> list[str]:
    first, _, last = str(part).partition("-")
    return [f"{code:04d}" for code in range(int(first), int(last or first) + 1)]


# ── checks ───────────────────────────────────────────────────────────────────────────────
#
# A row covers a box: for each thing it may ask about, a set of values. Amounts and days are cut
# where some row begins or ends, so that a piece between two cuts is either covered or not.

Box = tuple[frozenset[Hashable], ...]


def check(prices: PriceList) -> None:
    """Raises `UnusableList`, naming the row or the sale."""
    for n, rule in enumerate(prices.mdr, start=1):
        if rule.cap_minor is not None and rule.min_fee_minor > rule.cap_minor:
            raise UnusableList(f"MDR row {n}: its least fee is above its cap ({rule.source})")
    since = min(rule.valid_from for rule in prices.mdr)
    space = _Space(prices.mdr, since)
    _check_rows("MDR", [rule.source for rule in prices.mdr], list(map(space.box, prices.mdr)))
    _check_complete("a sale", space.names, space.all, list(map(space.box, prices.mdr)))
    days = _Cuts([since, *_day_cuts(prices.gst)])
    boxes: list[Box] = [(days.between(rule.valid_from, rule.valid_to),) for rule in prices.gst]
    _check_rows("GST", [rule.source for rule in prices.gst], boxes)
    _check_complete("GST on a fee", ("day",), (days.since(since),), boxes)


class _Cuts:
    """Starts of the pieces that a line of days or amounts falls into."""

    def __init__(self, starts: Iterable[Any]) -> None:
        self._starts = sorted(set(starts))

    def between(self, first: Any, last: Any) -> frozenset[Hashable]:
        return frozenset(s for s in self._starts if first <= s and (last is None or s <= last))

    def since(self, first: Any) -> frozenset[Hashable]:
        return self.between(first, None)


class _Space:
    """Everything that can be sold, as far as these rows tell sales apart."""

    names = ("method", "rail", "network", "funding", "merchant size", "mcc", "amount", "day")

    def __init__(self, rules: Sequence[MdrRule], since: date) -> None:
        def named(field: str) -> frozenset[Hashable]:
            return frozenset({ANY_OTHER, *(n for r in rules for n in getattr(r, field) or ())})

        mccs = frozenset(code for rule in rules for code in rule.mccs or ())
        ends = [rule.max_amount_minor + 1 for rule in rules if rule.max_amount_minor is not None]
        self._amounts = _Cuts([1, *(rule.min_amount_minor for rule in rules), *ends])
        self._days = _Cuts(_day_cuts(rules))
        self.all: Box = (
            frozenset(METHODS),
            named("rail"),
            named("network"),
            named("funding"),
            frozenset(SIZES),
            mccs | (frozenset({ANY_OTHER}) if len(mccs) < _MCCS else frozenset()),
            self._amounts.since(1),
            self._days.since(since),
        )

    def box(self, rule: MdrRule) -> Box:
        asked = (
            None if rule.method is None else (rule.method,),
            rule.rail,
            rule.network,
            rule.funding,
            rule.merchant_size,
            rule.mccs,
            self._amounts.between(rule.min_amount_minor, rule.max_amount_minor),
            self._days.between(rule.valid_from, rule.valid_to),
        )
        return tuple(
            whole if part is None else frozenset(part)
            for part, whole in zip(asked, self.all, strict=True)
        )


def _day_cuts(rules: Sequence[MdrRule] | Sequence[GstRule]) -> list[date]:
    after = [rule.valid_to + timedelta(days=1) for rule in rules if rule.valid_to is not None]
    return [rule.valid_from for rule in rules] + after


def _check_rows(what: str, sources: Sequence[str], boxes: Sequence[Box]) -> None:
    for n, box in enumerate(boxes):
        left = [box] if all(box) else []
        for earlier in boxes[:n]:
            left = _without(left, earlier)
        if not left:
            raise UnusableList(f"{what} row {n + 1} can never be reached: {sources[n]}")


def _check_complete(what: str, names: Sequence[str], whole: Box, boxes: Sequence[Box]) -> None:
    left = [whole]
    for box in boxes:
        left = _without(left, box)
    if left:
        example = zip(names, (min(side, key=str) for side in left[0]), strict=True)
        said = ", ".join(f"{name} {value}" for name, value in example if value != ANY_OTHER)
        raise UnusableList(f"no row prices {what}: {said}")


def _without(boxes: Sequence[Box], taken: Box) -> list[Box]:
    """What of `boxes` lies outside `taken`, in pieces that do not overlap."""
    left: list[Box] = []
    for box in boxes:
        if not all(side & cut for side, cut in zip(box, taken, strict=True)):
            left.append(box)
            continue
        inside = box
        for n, cut in enumerate(taken):
            outside = inside[n] - cut
            if outside:
                left.append((*inside[:n], outside, *inside[n + 1 :]))
            inside = (*inside[:n], inside[n] & cut, *inside[n + 1 :])
    return left
