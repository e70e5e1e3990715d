-- grain: one payout sent on the day (positive: what leaves the bank), or sent back by the bank (negative)
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
SELECT
    entry.id::VARCHAR AS entry_id,
    entry.transaction_id,
    posted.reference,
    entry.amount_minor,
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
    AND posted.kind IN ('payout_sent', 'payout_found', 'unplaced_payout', 'payout_sent_back')
    AND account.code LIKE 'payouts:%:in_transit'
    -- What the bank refused never left it: no line is to be expected. What it had paid after all, or
    -- paid twice, did.
    AND NOT EXISTS (
        SELECT 1
        FROM raw_transactions AS returned
        WHERE returned.reference = posted.reference
            AND returned.kind = CASE posted.kind
                WHEN 'payout_sent' THEN 'payout_returned' WHEN 'payout_found' THEN 'payout_found_returned'
            END
    )
