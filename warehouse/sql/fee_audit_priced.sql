-- grain: one settled row of a rail's file with what its contract makes of it
-- inputs: stg_rail_rows, rail_rates and rail_funding (temporary)
-- owner: finance
WITH fitted AS (
    SELECT
        billed.rail_ref,
        min(rate.contract) AS contract
    FROM stg_rail_rows AS billed
    LEFT JOIN rail_funding AS known ON billed.reference = known.reference
    INNER JOIN rail_rates AS rate
        ON billed.rail = rate.rail
            AND billed.settled_on BETWEEN rate.valid_from AND coalesce(rate.valid_to, DATE '9999-12-31')
            AND abs(billed.gross_minor) >= coalesce(rate.min_amount_minor, 0)
            AND (rate.max_amount_minor IS NULL OR abs(billed.gross_minor) <= rate.max_amount_minor)
            AND (rate.funding IS NULL OR list_contains(rate.funding, known.funding))
    WHERE billed.settled_on = $day
    GROUP BY billed.rail_ref
),

charged AS (
    SELECT
        billed.*,
        rate.contract,
        rate.gst_bps,
        CASE
            WHEN list_contains(rate.charged_on, billed.type) THEN 1
            WHEN list_contains(rate.returned_on, billed.type) THEN -1
            ELSE 0
        END AS direction,
        least(half_even(abs(billed.gross_minor), rate.fee_bps), coalesce(rate.cap_minor, 9223372036854775807))
        + rate.fixed_minor AS charge_minor
    FROM stg_rail_rows AS billed
    LEFT JOIN fitted ON billed.rail_ref = fitted.rail_ref
    LEFT JOIN rail_rates AS rate ON fitted.contract = rate.contract
    WHERE billed.settled_on = $day
),

expected AS (
    SELECT
        *,
        coalesce(direction * charge_minor, 0)::BIGINT AS expected_fee_minor,
        coalesce(direction * half_even(charge_minor, gst_bps), 0)::BIGINT AS expected_tax_minor
    FROM charged
)

SELECT
    settled_on,
    rail_ref,
    rail,
    settlement_id,
    reference,
    "type",
    contract,
    CASE
        WHEN contract IS NULL AND (fee_minor <> 0 OR tax_minor <> 0) THEN 'no_contract'
        -- One paisa a line is how two sides may round.
        WHEN abs(fee_minor - expected_fee_minor) <= 1 AND abs(tax_minor - expected_tax_minor) <= 1 THEN 'agreed'
        WHEN fee_minor + tax_minor > expected_fee_minor + expected_tax_minor THEN 'overbilled'
        WHEN fee_minor + tax_minor < expected_fee_minor + expected_tax_minor THEN 'underbilled'
        ELSE 'misstated' -- the sum is right, what of it is tax is not
    END AS finding,
    currency,
    gross_minor,
    fee_minor AS billed_fee_minor,
    tax_minor AS billed_tax_minor,
    expected_fee_minor,
    expected_tax_minor,
    (fee_minor + tax_minor - expected_fee_minor - expected_tax_minor)::BIGINT AS difference_minor
FROM expected
