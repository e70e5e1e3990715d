-- grain: one kind of row that points at nothing: ingest cut the sources at different places
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: platform
SELECT
    'entry without its transaction' AS what,
    count(*) AS found
FROM raw_entries AS entry
ANTI JOIN raw_transactions AS posted ON entry.transaction_id = posted.id
HAVING count(*) > 0
UNION ALL
SELECT
    'transaction without entries' AS what,
    count(*) AS found
FROM raw_transactions AS posted
ANTI JOIN raw_entries AS entry ON posted.id = entry.transaction_id
HAVING count(*) > 0
UNION ALL
SELECT
    'entry without its account' AS what,
    count(*) AS found
FROM raw_entries AS entry
ANTI JOIN raw_accounts AS account ON entry.account_id = account.id
HAVING count(*) > 0
