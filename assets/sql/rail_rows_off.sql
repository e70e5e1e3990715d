-- grain: one rail row whose net is not gross less fee less GST
-- inputs: stg_rail_rows
-- owner: finance
SELECT
    rail,
    reference,
    gross_minor,
    fee_minor,
    tax_minor,
    net_minor,
    currency
FROM stg_rail_rows
WHERE settled_on = $day AND net_minor <> gross_minor - fee_minor - tax_minor
