-- grain: one rail, or '*bank' for the bank: the last day its files have told us about
-- inputs: raw_rail_rows, raw_bank_balances, raw_bank_files
-- owner: finance
SELECT
    rail AS source,
    max(settled_on) AS through
FROM raw_rail_rows
GROUP BY rail
UNION ALL
SELECT
    '*bank' AS source,
    max(balance.closing_date) AS through
FROM raw_bank_balances AS balance
INNER JOIN raw_bank_files AS file ON balance.file_sha256 = file.file_sha256
WHERE file.format NOT IN ('camt.052', 'camt.054', 'mt942')
