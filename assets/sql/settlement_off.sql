-- grain: one merchant whose batches do not foot, or are not the sum of the lines of their periods, or
--   whose lines of the day are not what the ledger moved on the pending account
-- inputs: settlement_batches, settlement_lines, raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH batch AS (
    SELECT
        batch.merchant_id,
        batch.currency,
        batch.ends_at,
        any_value(batch.net_minor) AS net_minor,
        any_value(
            batch.gross_minor - batch.refunds_minor - batch.disputes_minor - batch.fees_minor
            - batch.tax_minor + batch.released_minor
        ) AS footed_minor,
        coalesce(sum(line.net_minor), 0)::BIGINT AS lines_minor
    FROM settlement_batches AS batch
    LEFT JOIN settlement_lines AS line
        ON batch.merchant_id = line.merchant_id
            AND batch.currency = line.currency
            AND line.business_date <= $day + 1
            AND moment(line.occurred_at, line.business_date) < batch.ends_at
            -- A first period has no other before it; what was settled elsewhere has no lines.
            AND (batch.starts_at IS NULL OR moment(line.occurred_at, line.business_date) >= batch.starts_at)
    WHERE batch.business_date = $day
    GROUP BY batch.merchant_id, batch.currency, batch.ends_at
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
            'dispute_won', 'dispute_fee', 'reserve_released',
            'escrow_funded', 'escrow_released', 'escrow_returned', 'escrow_charged_back', 'escrow_restored'
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
    NULL::BIGINT AS ledger_minor
FROM batch
WHERE net_minor <> footed_minor OR net_minor <> lines_minor
UNION ALL
SELECT
    merchant_id,
    currency,
    NULL::BIGINT AS net_minor,
    NULL::BIGINT AS footed_minor,
    lines_minor,
    ledger_minor
FROM line
FULL JOIN moved USING (merchant_id, currency)
WHERE coalesce(lines_minor, 0) <> coalesce(ledger_minor, 0)
