-- grain: one rail or bank account: whether it has told us of the day, and what our books have of it
-- inputs: raw_rail_rows, raw_bank_balances, raw_bank_files, stg_ledger_rows
-- owner: finance
SELECT
    'rail' AS kind,
    rail AS name,
    true AS came,
    0 AS in_books
FROM raw_rail_rows
WHERE settled_on = $day
GROUP BY rail
UNION ALL
SELECT
    'bank' AS kind,
    balance.account AS name,
    true AS came,
    0 AS in_books
FROM raw_bank_balances AS balance
INNER JOIN raw_bank_files AS file ON balance.file_sha256 = file.file_sha256
WHERE file.format NOT IN ('camt.052', 'camt.054', 'mt942')
    AND $day BETWEEN coalesce(balance.opening_date, balance.closing_date) AND balance.closing_date
GROUP BY balance.account
UNION ALL
SELECT
    'rail' AS kind,
    rail AS name,
    false AS came,
    count(*) AS in_books
FROM stg_ledger_rows
WHERE business_date = $day
GROUP BY rail
