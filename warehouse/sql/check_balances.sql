-- grain: one number: accounts whose last stated balance is not the sum of their entries (0 is right)
-- inputs: raw_entries
-- owner: finance
SELECT count(*) AS different
FROM (
    SELECT account_id
    FROM raw_entries
    GROUP BY account_id, layer
    -- One version counts both layers of an account, each layer has its own balance.
    HAVING sum(amount_minor) <> arg_max(balance_after, account_version)
)
