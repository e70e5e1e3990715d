"""Running a suite over one partition, and showing what came of it.

Belongs here: rules to Great Expectations and its result to our own words and page. Does not: which
partition (`assets.checks`). The library takes seconds to import, so functions import it, and it is
told to send nothing anywhere. Its own page loads parts from the internet; ours is one file.
"""

import importlib
import os
from collections.abc import Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from expectations.suites.rules import Rule, Suite

SUITES: Final = (
    "raw_events",
    "raw_transactions",
    "raw_entries",
    "raw_accounts",
    "raw_merchants",
    "raw_periods",
    "raw_audit",
    "raw_bank_files",
    "raw_file_parts",
    "raw_rail_rows",
    "raw_bank_lines",
    "raw_bank_balances",
    "raw_dispute_rows",
    "stg_payments",
    "stg_ledger_rows",
    "stg_payout_rows",
    "stg_rail_rows",
    "stg_bank_lines",
    "stg_disputes",
    "recon_matches",
    "recon_breaks",
    "recon_totals",
    "settlement_lines",
    "settlement_batches",
    "mart_trial_balance",
    "mart_merchant_day",
    "mart_safeguarding",
    "trace_links",
    "proof_seals",
    "fee_audit",
    "fee_audit_lines",
    "invoices",
    "fraud_parity",
    "fraud_decisions",
    "fraud_watch",
    "fraud_drift",
    "route_decisions",
)
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;color:#222}"
    "table{border-collapse:collapse;width:100%}td,th{padding:.4rem .6rem;text-align:left;"
    "border-bottom:1px solid #ddd;vertical-align:top}.no{color:#b00020;font-weight:600}"
    ".yes{color:#1b6e3c}code{background:#f4f4f4;padding:.1rem .3rem}"
)


class Outcome(Struct, frozen=True, kw_only=True):
    """One rule as it held: how many rows it looked at and how many broke it."""

    means: str
    held: bool
    rows: int
    broken: int
    examples: tuple[str, ...]
    error: str | None = None


class Result(Struct, frozen=True, kw_only=True):
    """A suite over one partition."""

    table: str
    partition: str
    rows: int
    outcomes: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        return all(outcome.held for outcome in self.outcomes)


def suite(table: str) -> Suite:
    """The suite of a table, from its module."""
    found: Suite = importlib.import_module(f"expectations.suites.{table}").SUITE
    return found


def validate(rules: Suite, frame: Any, *, partition: str) -> Result:
    """Hold a pandas frame against a suite."""
    gx = _library()
    batch = (
        _context()
        .data_sources.add_or_update_pandas(rules.table)
        .add_dataframe_asset(rules.table)
        .add_batch_definition_whole_dataframe("partition")
        .get_batch(batch_parameters={"dataframe": frame})
    )
    expected = gx.ExpectationSuite(
        name=rules.table, expectations=[_expectation(gx, rule) for rule in rules.rules]
    )
    found = batch.validate(expected, result_format="SUMMARY").to_json_dict()["results"]
    by_rule = {result["expectation_config"]["meta"]["means"]: result for result in found}
    return Result(
        table=rules.table,
        partition=partition,
        rows=len(frame),
        outcomes=tuple(_outcome(rule, by_rule[rule.means]) for rule in rules.rules),
    )


def page(result: Result) -> str:
    """The result as one HTML file that needs nothing from outside."""
    rows = "".join(
        f"<tr><td class={'yes' if o.held else 'no'}>{'holds' if o.held else 'BROKEN'}</td>"
        f"<td>{escape(o.means)}</td><td>{o.rows}</td><td>{o.broken}</td>"
        f"<td>{', '.join(f'<code>{escape(text)}</code>' for text in o.examples)}"
        f"{escape(o.error or '')}</td></tr>"
        for o in result.outcomes
    )
    held = sum(outcome.held for outcome in result.outcomes)
    title = f"{result.table} · {result.partition}"
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{_STYLE}</style><h1>{escape(title)}</h1>"
        f"<p>{result.rows} rows, {held} of {len(result.outcomes)} rules hold.</p>"
        "<table><tr><th>rule<th>what it says<th>rows looked at<th>rows that break it<th>examples"
        f"</tr>{rows}</table></html>\n"
    )


def write_page(result: Result, folder: Path) -> Path:
    """Put the page beside those of other tables and days."""
    path = folder / result.table / f"{result.partition}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(result), encoding="utf-8")
    return path


def _library() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    return gx


@cache
def _context() -> Any:
    """Making one takes a tenth of a second; it keeps nothing of a frame that a run could mix up."""
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = _library().get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _expectation(gx: Any, rule: Rule) -> Any:
    arguments = dict(rule.arguments)
    if rule.where is not None:
        from great_expectations.expectations.row_conditions import Column

        column, value = rule.where
        arguments["row_condition"] = Column(column) == value
    return getattr(gx.expectations, rule.expectation)(**arguments, meta={"means": rule.means})


def _outcome(rule: Rule, found: dict[str, Any]) -> Outcome:
    details = found["result"]
    broken = int(details.get("unexpected_count") or 0)
    return Outcome(
        means=rule.means,
        held=bool(found["success"]),
        rows=int(details.get("element_count") or 0),
        broken=broken,
        examples=_examples(details.get("partial_unexpected_list") or ()),
        error=_error(found.get("exception_info") or {}),
    )


def _examples(values: Sequence[Any]) -> tuple[str, ...]:
    return tuple(dict.fromkeys("missing" if value is None else str(value) for value in values))[:5]


def _error(info: dict[str, Any]) -> str | None:
    """A rule that could not be run, for a missing column for example, has not held either."""
    if info.get("raised_exception"):
        return str(info.get("exception_message"))
    for nested in info.values():
        if isinstance(nested, dict) and nested.get("raised_exception"):
            return str(nested.get("exception_message"))
    return None
