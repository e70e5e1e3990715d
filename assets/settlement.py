"""Settlement: what each merchant is owed for a closed business day.

Belongs here: the day's batches and handing them to online. Does not: the sums (`warehouse`), or
paying (`online`, which sums its own ledger again before it accepts a batch).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import dagster as dg

from assets import answers, display
from assets.groups import FINANCE, SETTLEMENT
from assets.partitions import DAILY, day_of
from assets.ports import Online
from warehouse.connection import Warehouse, sql_text
from warehouse.settlement import Batch, batches, settle_day

_PARTS: Final = ("gross_minor", "refunds_minor", "disputes_minor", "fees_minor", "tax_minor")
_SUMS: Final = (
    *(*_PARTS, "released_minor", "net_minor", "carried_minor", "reserve_minor", "tds_minor"),
    *("payout_minor", "carried_out_minor"),
)
_LINE_SUMS: Final = (
    *("gross_minor", "refund_minor", "dispute_minor", "fee_minor", "tax_minor", "released_minor"),
    "net_minor",
)

_SPECS: Final = (
    dg.AssetSpec(
        "settlement_lines",
        description="Each capture, reversal, refund and dispute of the day with its fee and GST, "
        "merchant by merchant: the lines behind a settlement.",
    ),
    dg.AssetSpec(
        "settlement_batches",
        description="What each merchant is owed for the period that ends on the day: captures less "
        "reversals, refunds, disputes, fee and GST, with reserves that came free and what earlier "
        "periods left, less reserve and TDS. Less than the minimum, or less than nothing, stays "
        "with us for the next period. Paid on the bank day that the merchant's terms name.",
    ),
)


@dg.multi_asset(
    name="settle",
    specs=[
        spec.replace_attributes(
            group_name=SETTLEMENT,
            owners=FINANCE,
            deps=["raw_transactions", "raw_entries", "raw_accounts", "raw_merchants"],
            kinds={"duckdb", "sql"},
        )
        for spec in _SPECS
    ],
    partitions_def=DAILY,
)
def settle(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> Iterator[dg.MaterializeResult]:
    """Rebuild the day's lines and batches from the ledger's own entries."""
    day = day_of(context)
    settled = settle_day(warehouse, day)
    yield dg.MaterializeResult(
        asset_key="settlement_lines",
        metadata=display.of_table(warehouse, "settlement_lines", day=day, sums=_LINE_SUMS),
    )
    yield dg.MaterializeResult(
        asset_key="settlement_batches",
        metadata={
            **display.of_table(
                warehouse, "settlement_batches", day=day, sums=_SUMS, order_by="payout_minor DESC"
            ),
            "merchants": len({batch.merchant_id for batch in settled}),
            "carried_forward": sum(batch.payout_minor == 0 for batch in settled),
            "by_merchant": display.table(_COLUMNS, _by_merchant(warehouse, settled)),
        },
    )


@dg.asset(
    deps=["settlement_batches"],
    partitions_def=DAILY,
    group_name=SETTLEMENT,
    owners=FINANCE,
    kinds={"api"},
)
def settlements_sent(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """The day's batches, accepted by online once its own books gave the same sums; it then pays
    the merchants, each on its day. Sending a day again pays nobody twice."""
    due = batches(warehouse, day_of(context))
    snapshot = warehouse.snapshot_id()
    found = online.send_lines("settlement-batches", [batch.wire(snapshot) for batch in due])
    answers.require_none_refused("settlement batches", found)
    columns = ("merchant", "status", "settlement", "payout", "pay on", "owed", "paid out")
    rows = [
        (
            *(answer["merchant_id"], answer["status"], answer.get("settlement_id")),
            *(answer.get("payout_attempt_id"), batch.settle_on.isoformat()),
            *(display.money_text(batch.owed_minor), display.money_text(_paid(answer, batch))),
        )
        for answer, batch in zip(found, due, strict=True)
    ]
    paid = sum(_paid(answer, batch) for answer, batch in zip(found, due, strict=True))
    return dg.MaterializeResult(
        metadata={
            **answers.summary(found),
            **display.money({"paid_out": {"INR": paid}}),
            "business_day": context.partition_key,
            "warehouse_snapshot": snapshot,
            "settlements": display.table(columns, rows),
        }
    )


@dg.asset(
    deps=["stg_bank_lines", "stg_payout_rows"],
    partitions_def=DAILY,
    group_name=SETTLEMENT,
    owners=FINANCE,
    kinds={"api"},
)
def payout_returns_sent(
    context: dg.AssetExecutionContext,
    warehouse: dg.ResourceParam[Warehouse],
    online: dg.ResourceParam[Online],
) -> dg.MaterializeResult:
    """Payouts that the bank's statement of the day sends back: the money is the merchant's again,
    and somebody has to look at the account before it is paid once more."""
    day = day_of(context)
    lines = [
        {
            "attempt_id": attempt_id,
            "amount": amount,
            "returned_on": returned_on.isoformat(),
            "reference": reference,
        }
        for attempt_id, amount, returned_on, reference in warehouse.rows(
            sql_text("settlement_returns"), day=day
        )
    ]
    found = online.send_lines("payout-returns", lines) if lines else []
    answers.require_none_refused("returned payouts", found)
    rows = [
        (line["attempt_id"], answer["status"], display.money_text(int(line["amount"])))
        for line, answer in zip(lines, found, strict=True)
    ]
    return dg.MaterializeResult(
        metadata={
            **answers.summary(found),
            "business_day": context.partition_key,
            "returned": display.table(("payout", "status", "amount"), rows),
        }
    )


def _paid(answer: Mapping[str, Any], batch: Batch) -> int:
    """Online pays less than is owed when refunds have used some of it meanwhile."""
    said = answer.get("payout")
    return batch.payout_minor if said is None else int(said)


_COLUMNS: Final = (
    *("merchant", "gross", "refunds", "disputes", "fees", "GST", "reserve released", "net"),
    *("carried in", "reserve", "TDS", "payout", "carried out", "pay on"),
)


def _by_merchant(warehouse: Warehouse, settled: Sequence[Batch]) -> list[tuple[str, ...]]:
    """The arithmetic of each settlement, as finance reads it, the largest payouts first."""
    known = {str(id_): name for id_, name in warehouse.rows("SELECT id, name FROM raw_merchants")}
    largest = sorted(settled, key=lambda batch: (-batch.payout_minor, str(batch.merchant_id)))
    return [
        (
            known.get(str(batch.merchant_id), str(batch.merchant_id)),
            *(
                display.money_text(amount)
                for amount in (
                    *(batch.gross_minor, -batch.refunds_minor, -batch.disputes_minor),
                    *(-batch.fees_minor, -batch.tax_minor, batch.released_minor, batch.net_minor),
                    *(batch.carried_minor, -batch.reserve_minor, -batch.tds_minor),
                    *(batch.payout_minor, batch.carried_out_minor),
                )
            ),
            batch.settle_on.isoformat(),
        )
        for batch in largest[: display.PREVIEW_ROWS]
    ]
