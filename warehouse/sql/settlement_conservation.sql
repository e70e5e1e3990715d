-- grain: one number: minor units by which batches do not foot, on the day or on all (0 is right)
-- inputs: settlement_batches
-- owner: finance
-- What was there and came in is what is paid, held back, taxed, or still there. What online withheld,
-- because refunds had used it, stays too.
SELECT coalesce(sum(abs(gap_minor)), 0)::BIGINT AS gap_minor
FROM (
    SELECT
        gross_minor - refunds_minor - disputes_minor - fees_minor - tax_minor + released_minor - net_minor
            AS gap_minor
    FROM settlement_batches
    WHERE coalesce(business_date = $day::DATE, true)
    UNION ALL
    SELECT carried_minor + net_minor - reserve_minor - tds_minor - owed_minor
    FROM settlement_batches
    WHERE coalesce(business_date = $day::DATE, true)
    UNION ALL
    SELECT
        carried_minor + net_minor - carried_out_minor - payout_minor
        - (CASE WHEN payout_minor > 0 THEN reserve_minor + tds_minor ELSE 0 END)
    FROM settlement_batches
    WHERE coalesce(business_date = $day::DATE, true)
)
