-- grain: one account code, currency and layer at the end of the day
-- inputs: raw_entries, raw_accounts
-- owner: finance
SELECT
    $day AS business_date,
    account.code AS account,
    entry.currency,
    entry.layer,
    any_value(account.normal_side) AS normal_side,
    coalesce(sum(entry.amount_minor) FILTER (entry.business_date < $day), 0)::BIGINT AS opening_minor,
    coalesce(-sum(entry.amount_minor) FILTER (entry.business_date = $day AND entry.amount_minor < 0), 0)::BIGINT
        AS debit_minor,
    coalesce(sum(entry.amount_minor) FILTER (entry.business_date = $day AND entry.amount_minor > 0), 0)::BIGINT
        AS credit_minor,
    sum(entry.amount_minor)::BIGINT AS closing_minor
FROM raw_entries AS entry
INNER JOIN raw_accounts AS account ON entry.account_id = account.id
WHERE entry.business_date <= $day
GROUP BY account.code, entry.currency, entry.layer
