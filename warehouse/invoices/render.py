"""A tax document as bytes, JSON or PDF/A-2b; the same document gives the same bytes.

Belongs here: preparing what online answered for the template. Does not: the layout
(`invoice.typ`). No clock is read and no setting: everything is in the document.
"""

import json
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

import msgspec

from warehouse.connection import WarehouseError
from warehouse.invoices.words import rupees_in_words

_TEMPLATE: Final = Path(__file__).parent / "invoice.typ"
_FONTS: Final = Path(__file__).parents[1] / "statements" / "fonts"
_TITLES: Final = {"invoice": "Tax invoice", "credit_note": "Credit note"}

Document = Mapping[str, Any]


def to_json(document: Document) -> bytes:
    """Everything, amounts in minor units."""
    return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=1) + b"\n"


def to_pdf(document: Document) -> bytes:
    """A4, PDF/A-2b."""
    # typst takes a moment to load, and JSON does without it.
    import typst

    found = typst.compile(
        str(_TEMPLATE),
        format="pdf",
        font_paths=[str(_FONTS)],
        ignore_system_fonts=True,
        sys_inputs={"invoice": json.dumps(printed(document), ensure_ascii=False)},
        pdf_standards=["a-2b"],
        pdf_tags=False,
    )
    if not isinstance(found, bytes):
        raise TypeError("typst answered with pages instead of one document")
    return found


def printed(document: Document) -> dict[str, Any]:
    """What the template prints: texts only, amounts grouped the Indian way."""
    from warehouse.statements.pdf import grouped, printable

    currency = document["currency"]
    issued = date.fromisoformat(document["issued_on"])

    def amount(name: str) -> str:
        return grouped(document[name], currency)

    return {
        "title": _TITLES[document["kind"]],
        "credit": document["kind"] == "credit_note",
        "test": not document["livemode"],
        "number": document["number"],
        "issued": f"{issued:%d %b %Y}",
        "issued_parts": [issued.year, issued.month, issued.day],
        "period": f"{issued.replace(day=1):%d %b %Y} to {issued:%d %b %Y}",
        "merchant_id": document["merchant_id"],
        "supplier": _party(document["supplier"], printable),
        "recipient": _party(document["recipient"], printable),
        "place_of_supply": printable(document["place_of_supply"]),
        "sac": document["sac"],
        "sac_title": document["sac_title"],
        "currency": currency,
        "symbol": "₹" if currency == "INR" else currency,
        "against": [
            f"{each['number']} of {date.fromisoformat(each['issued_on']):%d %b %Y}"
            for each in document["against"]
        ],
        "lines": [
            [
                printable(line["description"]),
                line["sac"],
                f"{line['count']:,}",
                f"{line['rate_bps'] / 100:g} %" if line["rate_bps"] else "–",
                *(grouped(line[part], currency) for part in ("value", "igst", "cgst", "sgst")),
            ]
            for line in document["lines"]
        ],
        **{name: amount(name) for name in ("value", "exempt", "igst", "cgst", "sgst", "total")},
        "words": rupees_in_words(document["total"]) if currency == "INR" else "",
    }


def _party(party: Mapping[str, Any], printable: Callable[[str], str]) -> dict[str, str]:
    return {
        "name": printable(party["legal_name"]) or "–",
        "gstin": party["gstin"] or "not registered",
        "address": printable(party["address"] or ""),
        "state": printable(f"{party['state_code']} {party['state']}".strip()),
    }


RENDERERS: Final[Mapping[str, Callable[[Document], bytes]]] = {"pdf": to_pdf, "json": to_json}


def render(document: Document, form: str) -> bytes:
    """The document in one of `RENDERERS`."""
    if form not in RENDERERS:
        raise WarehouseError(f"no such format: {form!r}")
    return RENDERERS[form](document)
