-- grain: one row of a rail's file, around the day
-- inputs: stg_rail_rows
-- owner: finance
SELECT
    rail_ref AS row_id,
    coalesce(reference, 'rail ' || rail_ref) AS key,
    "type" AS kind,
    reference,
    gross_minor,
    fee_minor,
    tax_minor,
    net_minor,
    currency,
    status,
    rail,
    settled_on AS day,
    settlement_id,
    utr
FROM stg_rail_rows
WHERE settled_on BETWEEN $day - $lookback_days::INTEGER AND $day + $lookback_days::INTEGER
