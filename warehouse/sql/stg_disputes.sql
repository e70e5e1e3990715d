-- grain: one dispute of a rail as its list of the day has it
-- inputs: raw_dispute_rows, raw_bank_files
-- owner: finance
SELECT
    row.rail,
    row.reference,
    row.original_reference,
    row.amount_minor,
    row.currency,
    row.reason_code,
    row.status,
    row.respond_by,
    row.reported_on,
    row.file_sha256,
    row.row_no
FROM raw_dispute_rows AS row
INNER JOIN raw_bank_files AS file ON row.file_sha256 = file.file_sha256
WHERE row.reported_on = $day
-- A list that was sent again for the same day is the rail's last word.
QUALIFY row_number() OVER (
    PARTITION BY row.rail, row.reference
    ORDER BY file.received_at DESC, file.file_sha256, row.row_no DESC
) = 1
