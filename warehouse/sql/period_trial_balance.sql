-- grain: one account code, currency, layer and mode over a month, as online keeps it when it closes
-- inputs: raw_entries, raw_accounts
-- owner: finance
SELECT
    account.code,
    entry.currency,
    entry.layer,
    account.livemode,
    coalesce(sum(entry.amount_minor) FILTER (entry.business_date < $first), 0)::BIGINT AS opening_minor,
    coalesce(-sum(entry.amount_minor) FILTER (entry.business_date >= $first AND entry.amount_minor < 0), 0)::BIGINT
        AS debit_minor,
    coalesce(sum(entry.amount_minor) FILTER (entry.business_date >= $first AND entry.amount_minor > 0), 0)::BIGINT
        AS credit_minor,
    sum(entry.amount_minor)::BIGINT AS closing_minor,
    count(*) FILTER (entry.business_date >= $first) AS entries
FROM raw_entries AS entry
INNER JOIN raw_accounts AS account ON entry.account_id = account.id
WHERE entry.business_date <= $last
GROUP BY account.code, entry.currency, entry.layer, account.livemode
HAVING entries > 0 OR sum(entry.amount_minor) <> 0
