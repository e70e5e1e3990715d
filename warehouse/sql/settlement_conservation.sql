-- grain: one number: minor units by which batches and the ledger differ on the day (0 is right)
-- inputs: settlement_batches, settlement_lines
-- owner: finance
SELECT coalesce(sum(abs(gap_minor)), 0)::BIGINT AS gap_minor
FROM (
    SELECT
        gross_minor - refunds_minor - disputes_minor - fees_minor - tax_minor - reserve_minor - net_minor
            AS gap_minor
    FROM settlement_batches
    WHERE coalesce(business_date = $day::DATE, true)
    UNION ALL
    SELECT
        (SELECT coalesce(sum(net_minor), 0) FROM settlement_batches WHERE coalesce(business_date = $day::DATE, true))
        - (SELECT coalesce(sum(net_minor), 0) FROM settlement_lines WHERE coalesce(business_date = $day::DATE, true))
)
