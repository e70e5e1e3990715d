-- grain: one bank statement that does not open where the one before it closed
-- inputs: raw_bank_balances, raw_bank_files
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
WHERE file.format = 'camt.053'
QUALIFY closed_minor <> balance.opening_minor
