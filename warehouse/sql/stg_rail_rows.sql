-- grain: one settled row of a rail's file (refunds, reversals and chargebacks negative)
-- inputs: raw_rail_rows
-- owner: finance
SELECT
    -- An RRN comes twice in a file with a doubled row; file and row number do not.
    file_sha256[:16] || '-' || row_no AS rail_ref,
    rail,
    nullif(order_ref, '') AS reference,
    nullif(rrn, '') AS rrn,
    row_type AS "type",
    gross_minor,
    fee_minor,
    tax_minor,
    net_minor,
    currency,
    lower(status) AS status,
    settled_on,
    settlement_id,
    nullif(utr, '') AS utr,
    file_sha256,
    row_no
FROM raw_rail_rows
WHERE settled_on = $day
