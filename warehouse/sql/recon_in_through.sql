-- grain: one rail, its transfers between people (a file of its own: 'p2p ' before its name), or
--   '*bank' for our accounts: the last day that its files, all theirs, told of
-- inputs: raw_rail_rows, raw_bank_balances, raw_bank_files
-- owner: finance
SELECT
    CASE WHEN is_memo(row_type) THEN 'p2p ' ELSE '' END || rail AS source,
    max(settled_on) AS through
FROM raw_rail_rows
GROUP BY source
UNION ALL
SELECT
    '*bank' AS source,
    min(through) AS through
FROM (
    SELECT
        balance.account,
        max(balance.closing_date) AS through
    FROM raw_bank_balances AS balance
    INNER JOIN raw_bank_files AS file ON balance.file_sha256 = file.file_sha256
    WHERE file.format NOT IN ('camt.052', 'camt.054', 'mt942')
    GROUP BY balance.account
    -- All that still send statements must have told; an account that was closed sends none.
    QUALIFY max(balance.closing_date) >= max(max(balance.closing_date)) OVER () - 7
)
