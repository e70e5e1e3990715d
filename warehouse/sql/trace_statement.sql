-- grain: one attempt whose money a merchant's statement shows
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH moved AS (
    SELECT
        entry.transaction_id,
        coalesce(sum(entry.amount_minor) FILTER (account.code LIKE $accounts), 0)::BIGINT AS net_minor,
        -- What a charge ate whole is on the statement nevertheless.
        bool_or(account.code LIKE $accounts)
        AND bool_or(account.code LIKE 'fees:%' OR account.code LIKE 'tax:%') AS is_charged
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.layer = 'posted'
        AND account.livemode = $livemode
        AND entry.currency = $currency
        AND entry.business_date BETWEEN $start_date AND $end_date
    GROUP BY entry.transaction_id
)

SELECT
    CASE
        WHEN starts_with(posted.reference, 'att_') THEN posted.reference
        ELSE posted.metadata ->> '$.attempt_id'
    END AS attempt,
    sum(moved.net_minor)::BIGINT AS amount_minor
FROM moved
INNER JOIN raw_transactions AS posted ON moved.transaction_id = posted.id
WHERE moved.net_minor <> 0 OR moved.is_charged
GROUP BY attempt
HAVING attempt IS NOT NULL
ORDER BY attempt
