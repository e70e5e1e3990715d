-- grain: one merchant, currency, service and treatment of a month (what is given back is negative)
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
-- As online sums it (online/ledger/month_charges.sql): transactions that touched the merchant's
-- pending account, what they moved on fee and tax accounts.
WITH touched AS (
    SELECT DISTINCT
        account.merchant_id,
        account.livemode,
        entry.transaction_id
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date BETWEEN $first AND $last
        AND entry.layer = 'posted'
        AND account.code LIKE 'merchant:%:pending'
),

charge AS (
    SELECT
        touched.merchant_id,
        touched.livemode,
        entry.currency,
        entry.transaction_id,
        split_part(max(account.code) FILTER (account.code LIKE 'fees:%'), ':', 2) AS service,
        coalesce(sum(entry.amount_minor) FILTER (account.code LIKE 'fees:%'), 0)::BIGINT AS fee_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:igst'), 0)::BIGINT AS igst_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:cgst'), 0)::BIGINT AS cgst_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:sgst'), 0)::BIGINT AS sgst_minor
    FROM touched
    INNER JOIN raw_entries AS entry ON touched.transaction_id = entry.transaction_id
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date BETWEEN $first AND $last
        AND entry.layer = 'posted'
        AND (account.code LIKE 'fees:%' OR account.code IN ('tax:igst', 'tax:cgst', 'tax:sgst'))
    GROUP BY ALL
),

-- When what is given back was charged: a credit note names the invoices of those months.
charged_in AS (
    SELECT
        charge.transaction_id,
        list_sort(list(DISTINCT strftime(original.business_date, '%Y-%m'))) AS months
    FROM charge
    INNER JOIN raw_transactions AS returned ON charge.transaction_id = returned.id
    INNER JOIN raw_transactions AS original
        ON (returned.metadata ->> '$.payment_id') = (original.metadata ->> '$.payment_id')
    WHERE charge.fee_minor < 0
        AND original.kind = 'capture'
    GROUP BY ALL
)

SELECT
    charge.merchant_id,
    charge.livemode,
    charge.currency,
    coalesce(charge.service, '') AS service,
    charge.igst_minor + charge.cgst_minor + charge.sgst_minor <> 0 AS taxed,
    charge.fee_minor < 0 AS returned,
    count(*) AS "count",
    sum(charge.fee_minor)::BIGINT AS fee_minor,
    sum(charge.igst_minor)::BIGINT AS igst_minor,
    sum(charge.cgst_minor)::BIGINT AS cgst_minor,
    sum(charge.sgst_minor)::BIGINT AS sgst_minor,
    list_distinct(flatten(list(coalesce(charged_in.months, [])))) AS original_months
FROM charge
LEFT JOIN charged_in ON charge.transaction_id = charged_in.transaction_id
GROUP BY ALL
ORDER BY charge.merchant_id, charge.livemode, charge.currency, service, taxed, returned
