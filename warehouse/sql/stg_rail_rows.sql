-- grain: one settled row of a rail's file (refunds, reversals and chargebacks negative)
-- inputs: raw_rail_rows, raw_file_parts
-- owner: finance
SELECT
    -- An RRN comes twice in a file with a doubled row; file and row number do not.
    row.file_sha256[:16] || '-' || row.row_no AS rail_ref,
    row.rail,
    nullif(row.order_ref, '') AS reference,
    nullif(row.rrn, '') AS rrn,
    row.row_type AS "type",
    row.gross_minor,
    row.fee_minor,
    row.tax_minor,
    row.net_minor,
    row.currency,
    lower(row.status) AS status,
    row.settled_on,
    row.settlement_id,
    nullif(row.utr, '') AS utr,
    row.file_sha256,
    row.row_no
FROM raw_rail_rows AS row
-- A settlement that another file says better, or has said before.
ANTI JOIN (
    SELECT * FROM raw_file_parts WHERE kind = 'rail' AND standing <> 'live'
) AS aside
    ON row.file_sha256 = aside.file_sha256
        AND row.rail = aside.holder
        AND row.settlement_id = aside.part
WHERE row.settled_on = $day
    -- The settlement's own payout is on the bank's statement; what is in no settlement yet comes
    -- again when it is.
    AND row.row_type <> 'payout'
    AND row.status <> 'UNSETTLED'
