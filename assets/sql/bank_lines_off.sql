-- grain: one bank statement of the day whose lines do not lead from its opening to its closing
-- inputs: raw_bank_balances, raw_bank_files, raw_file_parts, stg_bank_lines
-- owner: finance
SELECT
    balance.account,
    balance.currency,
    balance.opening_minor,
    coalesce(sum(line.amount_minor), 0)::BIGINT AS lines_minor,
    balance.closing_minor
FROM raw_bank_balances AS balance
INNER JOIN raw_bank_files AS file ON balance.file_sha256 = file.file_sha256
LEFT JOIN stg_bank_lines AS line
    ON balance.file_sha256 = line.file_sha256
        AND balance.account = line.account
        AND balance.currency = line.currency
WHERE file.format NOT IN ('camt.052', 'camt.054', 'mt942')
    AND balance.closing_date = $day
    AND balance.opening_date = $day
    -- Not where another file says that day better, or has said it before.
    AND NOT EXISTS (
        SELECT 1 FROM raw_file_parts AS part
        WHERE part.file_sha256 = balance.file_sha256
            AND part.kind = 'bank'
            AND part.holder = balance.account
            AND part.part = balance.currency
            AND part.day_from = balance.closing_date
            AND part.standing <> 'live'
    )
GROUP BY ALL
HAVING balance.opening_minor + coalesce(sum(line.amount_minor), 0) <> balance.closing_minor
