-- grain: one ledger transaction that moved the merchant's money in the period
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH moved AS (
    SELECT
        entry.transaction_id,
        -- Between the merchant's own accounts nothing is gained or lost.
        sum(entry.amount_minor)::BIGINT AS net_minor
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE account.code LIKE $accounts
        AND account.livemode = $livemode
        AND entry.layer = 'posted'
        AND entry.currency = $currency
        AND entry.business_date BETWEEN $start_date AND $end_date
    GROUP BY entry.transaction_id
),

charge AS (
    SELECT
        entry.transaction_id,
        coalesce(sum(entry.amount_minor) FILTER (account.code LIKE 'fees:%'), 0)::BIGINT AS fee_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:igst'), 0)::BIGINT AS igst_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:cgst'), 0)::BIGINT AS cgst_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:sgst'), 0)::BIGINT AS sgst_minor
    FROM raw_entries AS entry
    SEMI JOIN moved ON entry.transaction_id = moved.transaction_id
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.layer = 'posted'
        AND entry.currency = $currency
        AND entry.business_date BETWEEN $start_date AND $end_date
    GROUP BY entry.transaction_id
)

SELECT
    posted.business_date AS "date",
    posted.effective_at AS at_time,
    posted.id::VARCHAR AS transaction_id,
    posted.kind,
    coalesce(posted.reference, '') AS reference,
    coalesce(posted.metadata ->> '$.payment_id', '') AS payment_id,
    coalesce(posted.metadata ->> '$.method', '') AS method,
    coalesce(posted.metadata ->> '$.rail_reference', '') AS rail_reference,
    coalesce(posted.metadata ->> '$.dispute_id', '') AS dispute_id,
    moved.net_minor,
    -- Charges of a transaction are its own merchant's.
    CASE WHEN posted.merchant_id = $merchant_id THEN charge.fee_minor ELSE 0 END AS fee_minor,
    CASE WHEN posted.merchant_id = $merchant_id THEN charge.igst_minor ELSE 0 END AS igst_minor,
    CASE WHEN posted.merchant_id = $merchant_id THEN charge.cgst_minor ELSE 0 END AS cgst_minor,
    CASE WHEN posted.merchant_id = $merchant_id THEN charge.sgst_minor ELSE 0 END AS sgst_minor
FROM moved
INNER JOIN charge ON moved.transaction_id = charge.transaction_id
INNER JOIN raw_transactions AS posted ON moved.transaction_id = posted.id
-- What happened comes before what was charged or given back for it at the same moment.
ORDER BY
    posted.business_date,
    posted.effective_at,
    posted.kind IN ('dispute_fee', 'fee_returned'),
    posted.id
