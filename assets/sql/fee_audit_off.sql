-- grain: one rail whose rows of the day are not all audited once, or whose findings do not add up
-- inputs: stg_rail_rows, fee_audit, fee_audit_lines
-- owner: finance
WITH billed AS (
    SELECT rail, currency, count(*) AS n, sum(gross_minor) AS gross, sum(fee_minor) AS fee, sum(tax_minor) AS tax
    FROM stg_rail_rows
    WHERE settled_on = $day
    GROUP BY ALL
),

audited AS (
    SELECT
        rail,
        currency,
        sum("rows") AS n,
        sum(gross_minor) AS gross,
        sum(billed_fee_minor) AS fee,
        sum(billed_tax_minor) AS tax,
        sum("rows") FILTER (finding <> 'agreed') AS found,
        sum(difference_minor) FILTER (finding <> 'agreed') AS difference,
        sum(billed_fee_minor + billed_tax_minor - expected_fee_minor - expected_tax_minor - difference_minor) AS gap
    FROM fee_audit
    WHERE settled_on = $day
    GROUP BY ALL
),

line AS (
    SELECT rail, currency, count(*) AS found, sum(difference_minor) AS difference
    FROM fee_audit_lines
    WHERE settled_on = $day
    GROUP BY ALL
)

SELECT rail, currency, billed.n AS rows_billed, audited.n AS rows_audited, audited.found, line.found AS lines
FROM billed
FULL JOIN audited USING (rail, currency)
FULL JOIN line USING (rail, currency)
WHERE (billed.n, billed.gross, billed.fee, billed.tax)
        IS DISTINCT FROM (audited.n, audited.gross, audited.fee, audited.tax)
    OR (coalesce(audited.found, 0), coalesce(audited.difference, 0))
        IS DISTINCT FROM (coalesce(line.found, 0), coalesce(line.difference, 0))
    OR audited.gap <> 0
