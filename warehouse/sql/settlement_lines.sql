-- grain: one ledger transaction of the day on a merchant's pending account
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH leg AS (
    SELECT
        entry.transaction_id,
        entry.currency,
        account.code,
        account.merchant_id,
        entry.amount_minor,
        account.code LIKE 'merchant:%:pending' AS is_pending
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date = $day AND entry.layer = 'posted'
),

-- Fees and taxes are legs of the same transaction: what the merchant was charged, or given back.
charge AS (
    SELECT
        transaction_id,
        currency,
        coalesce(sum(amount_minor) FILTER (code LIKE 'fees:%'), 0)::BIGINT AS fee_minor,
        coalesce(sum(amount_minor) FILTER (code LIKE 'tax:%' AND code <> 'tax:tds'), 0)::BIGINT AS tax_minor
    FROM leg
    GROUP BY transaction_id, currency
),

pending AS (
    SELECT
        transaction_id,
        currency,
        merchant_id,
        sum(amount_minor)::BIGINT AS net_minor
    FROM leg
    WHERE is_pending
    GROUP BY transaction_id, currency, merchant_id
),

split AS (
    SELECT
        pending.*,
        posted.kind,
        posted.reference,
        posted.metadata ->> '$.payment_id' AS payment_id,
        posted.effective_at,
        -- Charges belong to the transaction's own merchant, should it ever touch several.
        pending.merchant_id IS NOT DISTINCT FROM posted.merchant_id AS is_charged,
        CASE WHEN is_charged THEN charge.fee_minor ELSE 0 END AS fee_minor,
        CASE WHEN is_charged THEN charge.tax_minor ELSE 0 END AS tax_minor,
        pending.net_minor + (CASE WHEN is_charged THEN charge.fee_minor + charge.tax_minor ELSE 0 END)
            AS before_charges
    FROM pending
    INNER JOIN charge ON pending.transaction_id = charge.transaction_id AND pending.currency = charge.currency
    INNER JOIN raw_transactions AS posted ON pending.transaction_id = posted.id
    WHERE posted.business_date = $day
        -- Settling itself takes the day's money away; it is not part of it.
        AND posted.kind NOT IN ('settlement', 'cutover')
)

SELECT
    $day AS business_date,
    merchant_id,
    transaction_id,
    kind,
    reference,
    payment_id,
    currency,
    -- Captures less reversals; what nobody has named yet shows here too, and in no other sum.
    CASE
        WHEN
            kind LIKE 'refund%' OR kind LIKE 'dispute%' OR kind = 'reserve_released'
            OR starts_with(kind, 'escrow_')
            THEN 0
        ELSE before_charges
    END AS gross_minor,
    CASE WHEN kind LIKE 'refund%' THEN -before_charges ELSE 0 END AS refund_minor,
    CASE WHEN kind LIKE 'dispute%' THEN -before_charges ELSE 0 END AS dispute_minor,
    -- What came free of a reserve or an escrow, less what was set aside in one.
    CASE WHEN kind = 'reserve_released' OR starts_with(kind, 'escrow_') THEN before_charges ELSE 0 END
        AS released_minor,
    fee_minor,
    tax_minor,
    net_minor,
    effective_at AS occurred_at
FROM split
