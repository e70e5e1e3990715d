-- grain: one rail whose staged rows do not add up to what the ledger moved on its receivable, and
--   between people
-- inputs: stg_ledger_rows, raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH staged AS (
    SELECT
        rail,
        currency,
        sum(amount_minor)::BIGINT AS staged_minor
    FROM stg_ledger_rows
    WHERE business_date = $day
    GROUP BY rail, currency
),

posted AS (
    SELECT
        split_part(account.code, ':', 2) AS rail,
        entry.currency,
        -sum(entry.amount_minor)::BIGINT AS posted_minor
    FROM raw_entries AS entry
    INNER JOIN raw_transactions AS posting ON entry.transaction_id = posting.id
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date = $day
        AND entry.layer = 'posted'
        AND posting.kind IN (
            'capture', 'reversal', 'refund_confirmed', 'dispute_lost', 'late_money', 'late_money_reversed',
            'late_money_refunded', 'unplaced_capture', 'unplaced_reversal', 'unplaced_refund',
            'unplaced_chargeback', 'top_up', 'top_up_not_credited', 'top_up_returned', 'p2p', 'p2p_again',
            'p2p_returned'
        )
        AND (account.code LIKE 'rail:%:receivable' OR account.code LIKE 'p2p:%:payer')
    GROUP BY ALL
)

SELECT
    rail,
    currency,
    coalesce(staged_minor, 0) AS staged_minor,
    coalesce(posted_minor, 0) AS posted_minor
FROM staged
FULL JOIN posted USING (rail, currency)
WHERE coalesce(staged_minor, 0) <> coalesce(posted_minor, 0)
