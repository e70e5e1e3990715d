-- grain: one merchant whose batch does not foot, or is not the sum of its lines, or is not what
--   the ledger moved on the merchant's pending account for what online counts of the day
-- inputs: settlement_batches, settlement_lines, raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH batch AS (
    SELECT
        merchant_id,
        currency,
        net_minor,
        gross_minor - refunds_minor - disputes_minor - fees_minor - tax_minor - reserve_minor
            AS footed_minor,
        net_minor + reserve_minor AS earned_minor
    FROM settlement_batches
    WHERE business_date = $day
),

line AS (
    SELECT
        merchant_id,
        currency,
        sum(net_minor)::BIGINT AS lines_minor
    FROM settlement_lines
    WHERE business_date = $day
    GROUP BY ALL
),

moved AS (
    SELECT
        account.merchant_id,
        entry.currency,
        sum(entry.amount_minor)::BIGINT AS ledger_minor
    FROM raw_entries AS entry
    INNER JOIN raw_transactions AS posted ON entry.transaction_id = posted.id
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date = $day
        AND entry.layer = 'posted'
        AND posted.kind IN (
            'capture', 'reversal', 'refund_requested', 'refund_failed', 'fee_returned', 'dispute_opened',
            'dispute_won', 'dispute_fee'
        )
        AND account.code LIKE 'merchant:%:pending'
    GROUP BY ALL
)

SELECT
    merchant_id,
    currency,
    net_minor,
    footed_minor,
    lines_minor,
    ledger_minor
FROM batch
FULL JOIN line USING (merchant_id, currency)
FULL JOIN moved USING (merchant_id, currency)
WHERE net_minor IS DISTINCT FROM footed_minor
    OR coalesce(earned_minor, 0) <> coalesce(lines_minor, 0)
    OR coalesce(lines_minor, 0) <> coalesce(ledger_minor, 0)
