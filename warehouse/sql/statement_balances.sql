-- grain: one merchant: its balance before the period and at its end, by part, and how much moved
-- inputs: raw_entries, raw_accounts, raw_merchants
-- owner: finance
WITH own AS (
    SELECT
        merchant.id AS merchant_id,
        account.id AS account_id,
        split_part(account.code, ':', 3) AS part
    FROM raw_merchants AS merchant
    LEFT JOIN raw_accounts AS account
        ON merchant.id = account.merchant_id
            AND account.livemode = merchant.livemode
            AND account.currency = $currency
            AND starts_with(account.code, 'merchant:')
    WHERE merchant.id IN (SELECT unnest($merchants))
)

SELECT
    own.merchant_id,
    coalesce(sum(entry.amount_minor) FILTER (entry.business_date < $start_date), 0)::BIGINT AS opening_minor,
    coalesce(sum(entry.amount_minor), 0)::BIGINT AS closing_minor,
    coalesce(sum(entry.amount_minor) FILTER (own.part = 'pending'), 0)::BIGINT AS pending_minor,
    coalesce(sum(entry.amount_minor) FILTER (own.part = 'payable'), 0)::BIGINT AS payable_minor,
    coalesce(sum(entry.amount_minor) FILTER (own.part = 'reserve'), 0)::BIGINT AS reserve_minor,
    coalesce(sum(entry.amount_minor) FILTER (own.part = 'escrow'), 0)::BIGINT AS escrow_minor,
    coalesce(sum(entry.amount_minor) FILTER (own.part = 'disputed'), 0)::BIGINT AS disputed_minor,
    count(entry.id) FILTER (entry.business_date >= $start_date)::BIGINT AS entries
FROM own
LEFT JOIN raw_entries AS entry
    ON own.account_id = entry.account_id
        AND entry.layer = 'posted'
        AND entry.business_date <= $end_date
GROUP BY own.merchant_id
ORDER BY own.merchant_id
