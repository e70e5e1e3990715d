-- grain: one number: transactions whose entries do not sum to zero, or have none (0 is right)
-- inputs: raw_entries, raw_transactions
-- owner: finance
SELECT count(*) AS unbalanced
FROM (
    SELECT posted.id
    FROM raw_transactions AS posted
    LEFT JOIN raw_entries AS entry ON posted.id = entry.transaction_id
    GROUP BY posted.id, entry.currency, entry.layer
    HAVING sum(entry.amount_minor) IS DISTINCT FROM 0
)
