-- grain: one bank statement that does not open where the one before it closed
-- inputs: raw_bank_balances, raw_bank_files, raw_file_parts
-- owner: finance
SELECT
    balance.account,
    balance.closing_date,
    lag(balance.closing_minor) OVER (
        PARTITION BY balance.account, balance.currency
        ORDER BY balance.closing_date, balance.statement_id
    ) AS closed_minor,
    balance.opening_minor,
    balance.currency
FROM raw_bank_balances AS balance
INNER JOIN raw_bank_files AS file ON balance.file_sha256 = file.file_sha256
WHERE file.format NOT IN ('camt.052', 'camt.054', 'mt942')
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
QUALIFY closed_minor <> balance.opening_minor
