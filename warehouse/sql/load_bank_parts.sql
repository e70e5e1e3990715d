-- grain: one booked day of an account in the file that was just stored
-- inputs: raw_bank_lines, raw_bank_balances, raw_bank_files
-- owner: finance
WITH issued AS (
    SELECT
        account,
        currency,
        max(issued_at) AS issued_at
    FROM raw_bank_balances
    WHERE file_sha256 = $digest
    GROUP BY account, currency
)

SELECT
    line.file_sha256,
    'bank/' || line.account || '/' || line.currency || '/' || line.booking_date AS subject,
    'bank' AS kind,
    line.account AS holder,
    line.currency AS part,
    line.booking_date AS day_from,
    line.booking_date AS day_to,
    count(*) AS row_count,
    sum(line.amount_minor)::BIGINT AS amount_minor,
    line.currency,
    any_value(issued.issued_at) AS issued_at,
    any_value(file.received_at) AS received_at,
    'live' AS standing,
    NULL::VARCHAR AS superseded_by
FROM raw_bank_lines AS line
INNER JOIN raw_bank_files AS file ON line.file_sha256 = file.file_sha256
LEFT JOIN issued ON line.account = issued.account AND line.currency = issued.currency
WHERE line.file_sha256 = $digest
    AND line.booking_date BETWEEN $first AND $last
    AND NOT line.pending
    -- Intraday reports and notifications announce what the statement repeats.
    AND file.format NOT IN ('camt.052', 'camt.054', 'mt942')
GROUP BY line.file_sha256, line.account, line.currency, line.booking_date
