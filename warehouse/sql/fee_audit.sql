-- grain: one rail, type, contract row and finding of the day: billed against agreed
-- inputs: fee_audit_rows (temporary)
-- owner: finance
SELECT
    settled_on,
    rail,
    "type",
    contract,
    finding,
    currency,
    count(*) AS "rows",
    sum(gross_minor)::BIGINT AS gross_minor,
    sum(billed_fee_minor)::BIGINT AS billed_fee_minor,
    sum(billed_tax_minor)::BIGINT AS billed_tax_minor,
    sum(expected_fee_minor)::BIGINT AS expected_fee_minor,
    sum(expected_tax_minor)::BIGINT AS expected_tax_minor,
    sum(difference_minor)::BIGINT AS difference_minor
FROM fee_audit_rows
GROUP BY ALL
