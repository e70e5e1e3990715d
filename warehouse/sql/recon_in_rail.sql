-- grain: one row of a rail's file, around the day
-- inputs: stg_rail_rows, in_words
-- owner: finance
SELECT
    rail_ref AS row_id,
    coalesce(kinds.meaning, lower("type")) AS kind,
    NULL::VARCHAR AS order_id,
    reference,
    gross_minor,
    fee_minor,
    tax_minor,
    net_minor,
    currency,
    coalesce(statuses.meaning, lower(status)) AS status,
    rail,
    settled_on AS day,
    settlement_id,
    utr,
    NULL::VARCHAR AS counterparty,
    hash(reference, coalesce(kinds.meaning, lower("type")), currency) AS place
FROM stg_rail_rows
LEFT JOIN in_words AS kinds ON kinds.sort = 'kind' AND kinds.word = lower("type")
LEFT JOIN in_words AS statuses ON statuses.sort = 'status' AND statuses.word = lower(status)
WHERE settled_on BETWEEN $day - $lookback_days::INTEGER AND $day + $lookback_days::INTEGER
