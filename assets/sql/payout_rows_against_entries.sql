-- grain: one currency in which the day's payouts are not what the ledger moved into transit
-- inputs: stg_payout_rows, raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH staged AS (
    SELECT
        currency,
        sum(amount_minor)::BIGINT AS staged_minor
    FROM stg_payout_rows
    WHERE business_date = $day
    GROUP BY currency
),

posted AS (
    SELECT
        entry.currency,
        sum(entry.amount_minor)::BIGINT AS posted_minor
    FROM raw_entries AS entry
    INNER JOIN raw_transactions AS posting ON entry.transaction_id = posting.id
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date = $day
        AND entry.layer = 'posted'
        AND posting.kind IN ('payout_sent', 'payout_found', 'unplaced_payout', 'payout_sent_back')
        AND account.code LIKE 'payouts:%:in_transit'
        -- What the bank refused is no row either.
        AND NOT EXISTS (
            SELECT 1
            FROM raw_transactions AS returned
            WHERE returned.reference = posting.reference
                AND returned.kind = CASE posting.kind
                    WHEN 'payout_sent' THEN 'payout_returned' WHEN 'payout_found' THEN 'payout_found_returned'
                END
        )
    GROUP BY entry.currency
)

SELECT
    currency,
    coalesce(staged_minor, 0) AS staged_minor,
    coalesce(posted_minor, 0) AS posted_minor
FROM staged
FULL JOIN posted USING (currency)
WHERE coalesce(staged_minor, 0) <> coalesce(posted_minor, 0)
