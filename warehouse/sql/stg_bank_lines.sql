-- grain: one booked line of our bank's end-of-day statement, credit positive
-- inputs: raw_bank_lines, raw_bank_files, raw_file_parts
-- owner: finance
SELECT
    line.file_sha256[:16] || '-' || line.line_no AS line_id,
    line.account,
    line.value_date,
    line.booking_date,
    line.amount_minor,
    line.currency,
    -- SWIFT's field holds 16 characters; the UTR of an RTGS credit has 22 and stands in the information.
    coalesce(
        CASE WHEN file.format = 'mt940' THEN (line.details ->> '$[0].utr') END, nullif(line.bank_reference, '')
    ) AS utr,
    nullif(line.reference, '') AS reference,
    line.narrative,
    line.file_sha256
FROM raw_bank_lines AS line
INNER JOIN raw_bank_files AS file ON line.file_sha256 = file.file_sha256
-- A day of an account that another file says better, or has said before.
ANTI JOIN (
    SELECT * FROM raw_file_parts WHERE kind = 'bank' AND standing <> 'live'
) AS aside
    ON line.file_sha256 = aside.file_sha256
        AND line.account = aside.holder
        AND line.currency = aside.part
        AND line.booking_date = aside.day_from
WHERE line.booking_date = $day
    AND NOT line.pending
    -- Intraday reports and notifications announce what the statement repeats.
    AND file.format NOT IN ('camt.052', 'camt.054', 'mt942')
