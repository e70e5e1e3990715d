-- grain: one bank statement of the day whose lines do not lead from its opening to its closing
-- inputs: raw_bank_balances, raw_bank_files, stg_bank_lines
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
WHERE file.format = 'camt.053' AND balance.closing_date = $day AND balance.opening_date = $day
GROUP BY ALL
HAVING balance.opening_minor + coalesce(sum(line.amount_minor), 0) <> balance.closing_minor
