-- grain: one account and currency whose sums in the file are not those of the ledger (none is right)
-- inputs: journal_read (temporary: the file, read back), raw_entries, raw_accounts
-- owner: finance
WITH file AS (
    SELECT
        code,
        currency,
        sum(debit_minor)::BIGINT AS debit_minor,
        sum(credit_minor)::BIGINT AS credit_minor
    FROM journal_read
    GROUP BY ALL
),

ledger AS (
    SELECT
        account.code,
        entry.currency,
        coalesce(-sum(entry.amount_minor) FILTER (entry.amount_minor < 0), 0)::BIGINT AS debit_minor,
        coalesce(sum(entry.amount_minor) FILTER (entry.amount_minor > 0), 0)::BIGINT AS credit_minor
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date BETWEEN $first AND $last
        AND entry.layer = 'posted'
        AND entry.livemode = $livemode
    GROUP BY ALL
)

SELECT code, currency, file.debit_minor, file.credit_minor, ledger.debit_minor, ledger.credit_minor
FROM file FULL JOIN ledger USING (code, currency)
WHERE (file.debit_minor, file.credit_minor) IS DISTINCT FROM (ledger.debit_minor, ledger.credit_minor)
