-- grain: one rail, and what most rows of its files say about charges: what the net leaves out of the
--   gross (fee and tax, a fee that includes the tax, or nothing), whether the tax is GST on the fee,
--   and the rate of the fee, in whole basis points
-- inputs: in_rail
-- owner: finance
WITH counted AS (
    SELECT
        rail,
        count(*) AS charged,
        count(*) FILTER (net_minor = gross_minor - fee_minor - tax_minor) AS exclusive,
        count(*) FILTER (net_minor = gross_minor - fee_minor) AS inclusive,
        count(*) FILTER (net_minor = gross_minor) AS gross,
        count(*) FILTER (tax_minor <> 0) AS taxed,
        count(*) FILTER (
            tax_minor <> 0
            AND abs(tax_minor * 10000 - fee_minor * $tax_bps) <= 10000 * $tax_tolerance_minor
        ) AS at_rate,
        count(*) FILTER (
            tax_minor <> 0
            AND abs(tax_minor * 10000 - (fee_minor - tax_minor) * $tax_bps) <= 10000 * $tax_tolerance_minor
        ) AS at_rate_inclusive,
        count(*) FILTER (fee_minor = 0) AS fee_free
    FROM in_rail
    WHERE fee_minor <> 0 OR tax_minor <> 0 OR net_minor <> gross_minor
    GROUP BY rail
),

rates AS (
    SELECT
        rail,
        (abs(fee_minor) * 10000 + abs(gross_minor) // 2) // abs(gross_minor) AS fee_bps,
        count(*) AS row_count
    FROM in_rail
    WHERE fee_minor <> 0 AND gross_minor <> 0
    GROUP BY rail, fee_bps
),

usual AS (
    SELECT
        rail,
        arg_max(fee_bps, (row_count, fee_bps)) AS fee_bps
    FROM rates
    GROUP BY rail
)

SELECT
    counted.rail,
    CASE
        WHEN exclusive >= greatest(inclusive, gross) THEN 'exclusive'
        WHEN inclusive >= gross THEN 'inclusive'
        ELSE 'gross'
    END AS form,
    -- A handful of rows shows no habit; then the plain sum is what is expected.
    charged < 10 OR 2 * greatest(exclusive, inclusive, gross) > charged AS adds_up,
    taxed > 0 AND 2 * CASE form WHEN 'inclusive' THEN at_rate_inclusive ELSE at_rate END > taxed AS is_gst,
    2 * fee_free <= taxed AS taxes_fees_only,
    usual.fee_bps
FROM counted
LEFT JOIN usual ON counted.rail IS NOT DISTINCT FROM usual.rail
