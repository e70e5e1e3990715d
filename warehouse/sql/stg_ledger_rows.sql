-- grain: one capture or confirmed refund on a rail's receivable (refunds negative)
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
SELECT
    entry.id::VARCHAR AS entry_id,
    entry.transaction_id,
    posted.metadata ->> '$.payment_id' AS payment_id,
    CASE posted.kind WHEN 'capture' THEN 'capture' ELSE 'refund' END AS kind,
    posted.reference,
    -- Our asset is a debit, stored negative; the rail's file counts it positive.
    -entry.amount_minor AS amount_minor,
    entry.currency,
    split_part(account.code, ':', 2) AS rail,
    entry.business_date,
    posted.effective_at AS occurred_at
FROM raw_entries AS entry
INNER JOIN raw_transactions AS posted
    ON entry.transaction_id = posted.id AND entry.business_date = posted.business_date
INNER JOIN raw_accounts AS account ON entry.account_id = account.id
WHERE entry.business_date = $day
    AND entry.layer = 'posted'
    AND posted.kind IN ('capture', 'refund_confirmed')
    AND account.code LIKE 'rail:%:receivable'
