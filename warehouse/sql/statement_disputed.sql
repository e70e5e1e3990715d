-- grain: one number: what of the merchant's balance is held back in disputes at the end of the period
-- inputs: raw_entries, raw_accounts
-- owner: finance
SELECT coalesce(sum(entry.amount_minor), 0)::BIGINT AS disputed_minor
FROM raw_entries AS entry
INNER JOIN raw_accounts AS account ON entry.account_id = account.id
WHERE account.code LIKE $accounts
    AND account.code LIKE 'merchant:%:disputed'
    AND account.livemode = $livemode
    AND entry.layer = 'posted'
    AND entry.currency = $currency
    AND entry.business_date <= $end_date
