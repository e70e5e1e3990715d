"""What rails billed us, held against their contracts.

Belongs here: the day's audit and its check. Does not: the contracts (`config/rail_contracts.yaml`)
or the arithmetic (`warehouse.fee_audit`).
"""

from collections.abc import Iterator
from typing import Final

import dagster as dg

from assets import charts, display
from assets.checks import day_for, nothing_wrong
from assets.groups import FINANCE, RECONCILIATION
from assets.partitions import DAILY, day_of
from warehouse.connection import Warehouse
from warehouse.fee_audit import audit_day, load_contracts

_SPECS: Final = (
    dg.AssetSpec(
        "fee_audit",
        description="What each rail billed for the day, fee and GST, against its contract: how "
        "many rows agree, and how much was billed too much or too little.",
    ),
    dg.AssetSpec(
        "fee_audit_lines",
        description="The single lines that a rail billed otherwise than agreed, by more than one "
        "paisa: what to claim back, with the rail's own references.",
    ),
)
_SUMS: Final = (
    *("billed_fee_minor", "billed_tax_minor", "expected_fee_minor", "expected_tax_minor"),
    "difference_minor",
)


@dg.multi_asset(
    name="audit_fees",
    specs=[
        spec.replace_attributes(
            group_name=RECONCILIATION,
            owners=FINANCE,
            deps=["stg_rail_rows", "raw_events"],
            kinds={"duckdb", "sql"},
        )
        for spec in _SPECS
    ],
    partitions_def=DAILY,
)
def audit_fees(
    context: dg.AssetExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> Iterator[dg.MaterializeResult]:
    """Price every row of the day again, by the contract of its rail."""
    day = day_of(context)
    audit_day(warehouse, day, load_contracts())
    for spec in _SPECS:
        table = spec.key.to_user_string()
        yield dg.MaterializeResult(
            asset_key=spec.key,
            metadata=display.of_table(
                warehouse, table, day=day, sums=_SUMS, order_by="abs(difference_minor) DESC"
            ),
        )


@dg.asset_check(
    asset="fee_audit",
    blocking=True,
    description="Every row of the rails' files is audited once, and the findings add up.",
)
def every_row_is_audited(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    day = day_for(context, warehouse, "fee_audit")
    return nothing_wrong(warehouse, "fee_audit_off", day=day)


@dg.asset_check(
    asset="fee_audit_lines",
    blocking=True,
    description="Rails billed what their contracts say. A warning: the money is claimed back, "
    "and the day goes on.",
)
def rails_bill_as_agreed(
    context: dg.AssetCheckExecutionContext, warehouse: dg.ResourceParam[Warehouse]
) -> dg.AssetCheckResult:
    day = day_for(context, warehouse, "fee_audit_lines")
    found = warehouse.rows(
        "SELECT rail, finding, count(*), sum(difference_minor)::BIGINT, currency"
        " FROM fee_audit_lines WHERE settled_on = $day GROUP BY ALL ORDER BY 4 DESC, 1, 2",
        day=day,
    )
    over: dict[str, int] = {}
    by_rail: dict[str, int] = {}
    for rail, _, _, difference, currency in found:
        over[currency] = over.get(currency, 0) + max(difference, 0)
        by_rail[rail] = by_rail.get(rail, 0) + difference
    columns = ("rail", "finding", "rows", "difference_minor", "currency")
    return dg.AssetCheckResult(
        passed=not found,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "by_rail": display.table(columns, found),
            "difference": charts.bars("Billed against agreed, by rail", list(by_rail.items())),
            "business_day": str(day),
            **display.money({"overbilled": over}),
        },
    )


CHECKS: Final = (every_row_is_audited, rails_bill_as_agreed)
