"""What is supposed of the breaks of a run: cause, owner, money at stake, suspense, the clock.

    enriched = supposed(lake, found_breaks(lake), as_of=day, rules=load_break_rules(), tat=…)

Belongs here: facts to columns, by the rules' data. Does not: the facts (`sql/break_facts.sql`).
"""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import reduce
from typing import Any

import polars as pl

from online.kernel import ids
from warehouse.breaks.rules import (
    UNKNOWN,
    BreakRules,
    CauseRule,
    OwnerRule,
    TatRules,
)
from warehouse.connection import Lake
from warehouse.macros import MEMO

# Nothing is out of place in these, or it is no money that moves between rails and us.
_NO_SUSPENSE = ("currency_mismatch", "fee_mismatch", "tax_mismatch", "status_mismatch")
_AGES = ((1, "0-1"), (3, "2-3"), (7, "4-7"), (30, "8-30"), (90, "31-90"))
_KEPT = ("row_type", "cause", "owner", "at_stake_minor", "suspense_minor", "suspense_account")
_DATED = ("transit_account", "bank_account", "posted_on", "tat_due_on", "tat_per_day_minor")
_AGED = ("as_of", "age_days", "age_bucket")


def supposed(
    lake: Lake, breaks: pl.DataFrame, *, as_of: date, rules: BreakRules, tat: TatRules
) -> pl.DataFrame:
    """The breaks with all that is told of them; one row each, in the order they came."""
    facts = _facts(lake, breaks)
    known = breaks.drop("row_type").join(facts, on="break_id", how="left", maintain_order="left")
    hint = [pl.col("cause")] if "cause" in breaks.columns else []
    known = known.with_columns(
        cause=pl.coalesce(*hint, _first(rules.causes, "cause", UNKNOWN)),
        owner=_first(rules.owners, "owner", "finance"),
        **_money(),
    )
    known = _with_clock(known, tat).with_columns(as_of=pl.lit(as_of))
    known = known.with_columns(age_days=_days("as_of", "business_date"))
    known = known.with_columns(age_bucket=_bucket())
    first = [name for name in breaks.columns if name not in ("row_type", "cause")]
    return known.select(*first, *_KEPT, *_DATED, *_AGED)


def aged(breaks: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The same breaks with their ages at the end of another day."""
    known = breaks.with_columns(as_of=pl.lit(as_of))
    return known.with_columns(age_days=_days("as_of", "business_date")).with_columns(
        age_bucket=_bucket()
    )


def _facts(lake: Lake, breaks: pl.DataFrame) -> pl.DataFrame:
    """Of each break, what its rows and files tell; a temporary view gives SQL the breaks."""
    lake.connection.register("found_day_breaks", breaks.to_arrow())
    lake.connection.register("found_day_attempts", _attempts(breaks).to_arrow())
    try:
        lake.execute("CREATE OR REPLACE TEMP TABLE day_breaks AS FROM found_day_breaks")
        lake.execute(
            "CREATE OR REPLACE TEMP TABLE day_attempts AS"
            " SELECT break_id, attempt_id::UUID AS attempt_id FROM found_day_attempts"
        )
    finally:
        lake.connection.unregister("found_day_breaks")
        lake.connection.unregister("found_day_attempts")
    return lake.query("break_facts")


def _attempts(breaks: pl.DataFrame) -> pl.DataFrame:
    """The attempts that rows without a counterpart of ours name."""
    wanted = breaks.filter(pl.col("kind").is_in(["missing_internal", "status_mismatch"]))
    found = {"break_id": [], "attempt_id": []}  # type: dict[str, list[str]]
    for break_id, reference in wanted.select("break_id", "reference").iter_rows():
        try:
            attempt_id = ids.decode("att", reference or "")
        except ids.InvalidId:
            continue
        found["break_id"].append(break_id)
        found["attempt_id"].append(str(attempt_id))
    return pl.DataFrame(found, schema={"break_id": pl.String, "attempt_id": pl.String})


def _first(rules: Sequence[CauseRule | OwnerRule], name: str, otherwise: str) -> pl.Expr:
    """The value of the first rule that fits, as one expression over all breaks."""
    chosen: Any = None
    for rule in rules:
        fits, value = _fits(rule), pl.lit(getattr(rule, name))
        chosen = pl.when(fits).then(value) if chosen is None else chosen.when(fits).then(value)
    return pl.lit(otherwise) if chosen is None else chosen.otherwise(pl.lit(otherwise))


def _fits(rule: CauseRule | OwnerRule) -> pl.Expr:
    wanted = [pl.lit(value=True)]
    if rule.side is not None:
        wanted.append(pl.col("side") == rule.side)
    if rule.kinds:
        wanted.append(pl.col("kind").is_in(rule.kinds))
    if rule.row_types:
        wanted.append(pl.col("row_type").is_in(rule.row_types))
    if rule.rail is not None:
        wanted.append(_rail_like(rule.rail))
    if isinstance(rule, CauseRule):
        wanted.extend(pl.col(fact) for fact in rule.facts)
    return reduce(lambda left, right: left & right, wanted).fill_null(value=False)


def _rail_like(pattern: str) -> pl.Expr:
    if pattern.endswith("*"):
        return pl.col("rail").str.starts_with(pattern[:-1])
    return pl.col("rail") == pattern


def _money() -> dict[str, pl.Expr]:
    """What is at stake, what suspense holds of it (credit positive), and through which account
    the bank's side of it goes."""
    expected, actual = pl.col("expected_minor"), pl.col("actual_minor")
    kind, on_bank = pl.col("kind"), pl.col("side") == "bank"
    stranger = kind == "unexpected_credit"
    # Two currencies have no difference, and a status no amount: all of it is in doubt.
    whole = kind.is_in(["currency_mismatch", "status_mismatch"])
    memo = pl.col("row_type").is_in(MEMO).fill_null(value=False)
    held = ~kind.is_in(_NO_SUSPENSE) & ~memo & (stranger | pl.col("rail").is_not_null())
    announced = on_bank & held & ~stranger
    by_payout = pl.col("row_type") == "payout"
    return {
        "at_stake_minor": pl.when(whole)
        .then(pl.max_horizontal(expected.abs(), actual.abs()))
        .otherwise((expected - actual).abs()),
        "suspense_minor": pl.when(held).then(actual - expected).otherwise(pl.lit(0)),
        "suspense_account": pl.when(stranger)
        .then(pl.lit("suspense:bank"))
        .when(held & (expected != actual))
        .then(pl.format("suspense:{}", pl.col("rail"))),
        "transit_account": pl.when(announced & by_payout)
        .then(pl.format("payouts:{}:in_transit", pl.col("rail")))
        .when(announced)
        .then(pl.format("rail:{}:in_transit", pl.col("rail"))),
        # The bank's own day, where it booked something: our account follows its statement.
        "posted_on": pl.coalesce("booked_on", "business_date"),
    }


def _with_clock(known: pl.DataFrame, tat: TatRules) -> pl.DataFrame:
    """When a debited payer's money is due, and what each day after that costs; null elsewhere."""
    by = ("rail", "row_type", "currency", "moved_on", "payer_was_debited")
    owed = known.select(by).unique().filter("payer_was_debited", pl.col("rail").is_not_null())
    clocks = [
        {
            **row,
            "tat_due_on": row["moved_on"] + timedelta(days=rule.days),
            "per_day": rule.per_day_minor,
        }
        for row in owed.iter_rows(named=True)
        if (rule := tat.of(row["rail"], row["row_type"], row["currency"], row["moved_on"]))
    ]
    schema = pl.Schema({**owed.schema, "tat_due_on": pl.Date(), "per_day": pl.Int64()})
    found = known.join(
        pl.DataFrame(clocks, schema=schema), on=by, how="left", maintain_order="left"
    )
    return found.with_columns(tat_per_day_minor=pl.col("per_day").fill_null(0))


def _days(later: str, earlier: str) -> pl.Expr:
    return (pl.col(later) - pl.col(earlier)).dt.total_days().clip(lower_bound=0).cast(pl.Int32)


def _bucket() -> pl.Expr:
    chosen: Any = None
    for most, name in _AGES:
        fits = pl.col("age_days") <= most
        chosen = (
            pl.when(fits).then(pl.lit(name))
            if chosen is None
            else chosen.when(fits).then(pl.lit(name))
        )
    return chosen.otherwise(pl.lit(">90"))  # type: ignore[no-any-return]
