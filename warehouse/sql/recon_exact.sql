-- grain: one reference that each side has once at most; most of them agree in everything
-- inputs: in_ledger, in_rail, in_due, recon_apart, recon_habits
-- owner: finance
WITH ledger AS (
    SELECT
        in_ledger.rowid AS no,
        place,
        row_id,
        kind,
        reference,
        amount_minor,
        currency,
        status,
        in_ledger.rail,
        in_ledger.day,
        in_due.rail_last
    FROM in_ledger
    ANTI JOIN recon_apart ON in_ledger.place = recon_apart.place
    LEFT JOIN in_due ON in_due.rail IS NOT DISTINCT FROM in_ledger.rail AND in_due.day = in_ledger.due_on
    WHERE kind NOT IN ('payout', 'fee', 'tax')
),

rail AS (
    SELECT
        in_rail.rowid AS no,
        place,
        row_id,
        kind,
        reference,
        gross_minor,
        currency,
        status,
        in_rail.rail,
        day,
        fee_minor = 0 AND tax_minor = 0 AND net_minor = gross_minor
        OR NOT habit.adds_up
        OR net_minor = gross_minor - CASE habit.form
            WHEN 'exclusive' THEN fee_minor + tax_minor WHEN 'inclusive' THEN fee_minor ELSE 0
        END AS adds_up,
        CASE
            WHEN fee_minor = 0 THEN tax_minor = 0 OR NOT habit.taxes_fees_only
            WHEN NOT habit.is_gst OR tax_minor = 0 AND abs(gross_minor) <= $tax_free_up_to_minor THEN true
            ELSE abs(
                tax_minor * 10000 - (fee_minor - CASE habit.form WHEN 'inclusive' THEN tax_minor ELSE 0 END) * $tax_bps
            ) <= 10000 * $tax_tolerance_minor
        END AS is_taxed_right
    FROM in_rail
    ANTI JOIN recon_apart ON in_rail.place = recon_apart.place
    LEFT JOIN recon_habits AS habit ON habit.rail IS NOT DISTINCT FROM in_rail.rail
)

SELECT
    ledger.no AS ledger_no,
    rail.no AS rail_no,
    -- What does not agree in everything is looked at again, with the rows that stand apart.
    coalesce(
        ledger.reference = rail.reference
        AND ledger.kind = rail.kind
        AND ledger.kind <> 'reversal'
        AND ledger.currency = rail.currency
        AND ledger.amount_minor = rail.gross_minor
        AND ledger.status = rail.status
        AND rail.day BETWEEN ledger.day - $early_days::INTEGER AND ledger.rail_last
        AND rail.adds_up
        AND rail.is_taxed_right,
        false
    ) AS is_matched,
    is_matched AND coalesce(ledger.day = $day::DATE, true) AS is_stored,
    $name AS rule,
    ledger.day AS business_date,
    ledger.row_id AS ledger_id,
    rail.row_id AS rail_id,
    coalesce(rail.rail, ledger.rail) AS rail,
    coalesce(ledger.reference, rail.reference) AS reference,
    ledger.amount_minor,
    coalesce(ledger.currency, rail.currency) AS currency
FROM ledger
-- A place is a hash: what it brought together by chance is told apart above.
FULL JOIN rail ON ledger.place = rail.place
