-- grain: one capture, reversal, confirmed refund or lost dispute on a rail's receivable (all but
--   captures negative); what came late or has no place here is one of them to the rail; a top-up of a
--   wallet is a capture to it, what went back of one a refund; one transfer between people, or its
--   return (negative), on the memo account of their payers
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
SELECT
    entry.id::VARCHAR AS entry_id,
    entry.transaction_id,
    -- Money that came late is a payment by itself to the rail, and so is its return.
    coalesce(
        posted.metadata ->> '$.late_attempt_id', posted.metadata ->> '$.payment_id',
        posted.metadata ->> '$.transfer_id', posted.metadata ->> '$.top_up_id'
    ) AS payment_id,
    -- In the words of the rails' files.
    CASE posted.kind
        WHEN 'refund_confirmed' THEN 'refund'
        WHEN 'dispute_lost' THEN 'chargeback'
        WHEN 'late_money' THEN 'capture'
        WHEN 'top_up' THEN 'capture'
        WHEN 'top_up_not_credited' THEN 'capture'
        WHEN 'top_up_returned' THEN 'refund'
        WHEN 'late_money_reversed' THEN 'reversal'
        WHEN 'late_money_refunded' THEN 'refund'
        WHEN 'unplaced_capture' THEN 'capture'
        WHEN 'unplaced_reversal' THEN 'reversal'
        WHEN 'unplaced_refund' THEN 'refund'
        WHEN 'unplaced_chargeback' THEN 'chargeback'
        WHEN 'p2p_again' THEN 'p2p'
        WHEN 'p2p_returned' THEN 'p2p_return'
        ELSE posted.kind
    END AS kind,
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
    AND posted.kind IN (
        'capture', 'reversal', 'refund_confirmed', 'dispute_lost', 'late_money', 'late_money_reversed',
        'late_money_refunded', 'unplaced_capture', 'unplaced_reversal', 'unplaced_refund',
        'unplaced_chargeback', 'top_up', 'top_up_not_credited', 'top_up_returned', 'p2p', 'p2p_again',
        'p2p_returned'
    )
    AND (account.code LIKE 'rail:%:receivable' OR account.code LIKE 'p2p:%:payer')
