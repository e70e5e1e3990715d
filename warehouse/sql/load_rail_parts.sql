-- grain: one settlement of the file that was just stored
-- inputs: raw_rail_rows, raw_bank_files
-- owner: finance
SELECT
    row.file_sha256,
    'rail/' || row.rail || '/' || row.settlement_id AS subject,
    'rail' AS kind,
    row.rail AS holder,
    row.settlement_id AS part,
    min(row.settled_on) AS day_from,
    max(row.settled_on) AS day_to,
    count(*) AS row_count,
    sum(row.net_minor)::BIGINT AS amount_minor,
    min(row.currency) AS currency,
    NULL::TIMESTAMPTZ AS issued_at,
    any_value(file.received_at) AS received_at,
    'live' AS standing,
    NULL::VARCHAR AS superseded_by
FROM raw_rail_rows AS row
INNER JOIN raw_bank_files AS file ON row.file_sha256 = file.file_sha256
WHERE row.file_sha256 = $digest
    AND row.settled_on BETWEEN $first AND $last
    AND row.status <> 'UNSETTLED'
GROUP BY row.file_sha256, row.rail, row.settlement_id
