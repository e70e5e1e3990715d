-- grain: one entry; a journal is one ledger transaction
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH journal AS (
    SELECT
        id,
        row_number() OVER (ORDER BY business_date, effective_at, id) AS journal,
        kind,
        coalesce(reference, '') AS reference,
        coalesce(metadata ->> '$.payment_id', metadata ->> '$.settlement_id', '') AS subject,
        coalesce(metadata ->> '$.original_date', '') AS original_date
    FROM raw_transactions
    WHERE business_date BETWEEN $first AND $last
        AND livemode = $livemode
        -- One that only holds money (an authorization) is no journal.
        AND id IN (
            SELECT transaction_id FROM raw_entries
            WHERE business_date BETWEEN $first AND $last AND layer = 'posted'
        )
)

SELECT
    entry.business_date AS day,
    journal.journal,
    row_number() OVER (
        PARTITION BY journal.journal ORDER BY account.code, entry.amount_minor, entry.id
    ) AS line,
    account.code,
    greatest(-entry.amount_minor, 0) AS debit_minor,
    greatest(entry.amount_minor, 0) AS credit_minor,
    entry.currency,
    journal.reference,
    concat_ws(
        ' ',
        replace(journal.kind, '_', ' '),
        nullif(journal.subject, ''),
        'of ' || nullif(journal.original_date, '')
    ) AS narration
FROM raw_entries AS entry
INNER JOIN journal ON entry.transaction_id = journal.id
INNER JOIN raw_accounts AS account ON entry.account_id = account.id
WHERE entry.business_date BETWEEN $first AND $last
    AND entry.layer = 'posted'
