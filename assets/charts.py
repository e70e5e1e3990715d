"""Pictures of a run's money for finance, small enough to lie in Dagster's metadata.

Belongs here: turning labelled amounts into a picture. Does not: the amounts themselves; whoever
shows a picture shows the same numbers as a table (`display`). The one place where money meets a
float: the length of a bar.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import dagster as dg

from assets.display import money_text

_WIDTH_IN: Final = 7.0
_BAR_IN: Final = 0.34
_MOST_BARS: Final = 15
_PALETTE: Final = ("#2f5d8a", "#c0762b", "#4d8a57", "#8a3f4d", "#6b5b95", "#77787b", "#b8a125")


def bars(
    title: str, rows: Sequence[tuple[str, int]], *, currency: str = "INR", money: bool = True
) -> dg.MarkdownMetadataValue:
    """One bar a row, the largest first; values in minor units, or counts if not `money`."""
    ordered = sorted(rows, key=lambda row: (-abs(row[1]), row[0]))
    shown, rest = ordered[:_MOST_BARS], ordered[_MOST_BARS:]
    if rest:
        shown.append((f"{len(rest)} more", sum(value for _, value in rest)))
    return stacked(
        title, {label: {"": value} for label, value in shown}, currency=currency, money=money
    )


def stacked(
    title: str,
    rows: Mapping[str, Mapping[str, int]],
    *,
    currency: str = "INR",
    money: bool = True,
) -> dg.MarkdownMetadataValue:
    """One bar a row, made of named parts: {"timing": {"0-1 d": 500, "2-3 d": 100}}."""
    if not rows:
        return dg.MetadataValue.md(f"*{title}: nothing to show*")
    return picture(title, _png(title, rows, currency=currency, money=money))


def picture(title: str, png: bytes) -> dg.MarkdownMetadataValue:
    """A picture that was drawn elsewhere."""
    text = base64.b64encode(png).decode("ascii")
    return dg.MetadataValue.md(f"![{title}](data:image/png;base64,{text})")


def _png(title: str, rows: Mapping[str, Mapping[str, int]], *, currency: str, money: bool) -> bytes:
    # Takes half a second to load, and most steps draw nothing.
    from matplotlib.figure import Figure

    labels, parts = list(rows), list(dict.fromkeys(part for row in rows.values() for part in row))
    figure = Figure(figsize=(_WIDTH_IN, 0.9 + _BAR_IN * len(labels)), layout="constrained")
    axes: Any = figure.subplots()
    left = [0.0] * len(labels)
    for part, colour in zip(parts, _PALETTE * (1 + len(parts) // len(_PALETTE)), strict=False):
        values = [float(rows[label].get(part, 0)) for label in labels]
        axes.barh(labels, values, left=left, color=colour, label=part)
        left = [start + value for start, value in zip(left, values, strict=True)]
    for place, label in enumerate(labels):
        total = sum(rows[label].values())
        text = money_text(total, currency) if money else f"{total:,}"
        axes.annotate(
            text, (max(left[place], 0.0), place), xytext=(4, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.set_title(title, fontsize=10, loc="left")
    axes.invert_yaxis()
    axes.margins(x=0.22)
    axes.tick_params(axis="y", labelsize=8, length=0)
    axes.xaxis.set_visible(False)
    axes.spines[:].set_visible(False)
    if parts != [""]:
        figure.legend(fontsize=8, frameon=False, loc="outside lower left", ncols=len(parts))
    out = io.BytesIO()
    # Nothing of the library's version or the time: the same rows draw the same bytes.
    figure.savefig(out, format="png", dpi=110, metadata={"Software": None})
    return out.getvalue()
