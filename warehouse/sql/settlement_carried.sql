-- grain: one due period: from when it counts, what is there from before it and what is there now, and
--   the first day to look at
-- inputs: settlement_due, raw_entries, raw_transactions
-- owner: finance
WITH taking AS (
    SELECT
        id,
        kind
    FROM raw_transactions
    WHERE kind IN ('settlement', 'cutover')
),

entry AS (
    SELECT
        due.account_id,
        raw_entries.amount_minor,
        raw_entries.business_date,
        moment(raw_entries.effective_at, raw_entries.business_date) AS counted_at,
        taking.kind
    FROM settlement_due AS due
    INNER JOIN raw_entries ON due.account_id = raw_entries.account_id
    LEFT JOIN taking ON raw_entries.transaction_id = taking.id
    WHERE raw_entries.layer = 'posted'
),

begun AS (
    SELECT
        due.*,
        coalesce(
            due.starts_at,
            (
                SELECT midnight(max(entry.business_date) + 1)
                FROM entry
                WHERE entry.account_id = due.account_id AND entry.kind = 'cutover'
            ),
            '-infinity'
        ) AS begins_at
    FROM settlement_due AS due
)

SELECT
    begun.*,
    coalesce(sum(entry.amount_minor) FILTER (entry.kind IS NOT NULL OR entry.counted_at < begun.begins_at), 0)::BIGINT
    - any_value(begun.taken_minor) AS carried_minor,
    coalesce(sum(entry.amount_minor), 0)::BIGINT - any_value(begun.taken_minor) AS balance_minor,
    min(entry.business_date) FILTER (
        entry.kind IS NULL AND entry.counted_at >= begun.begins_at AND entry.counted_at < begun.ends_at
    ) AS first_day
FROM begun
LEFT JOIN entry ON begun.account_id = entry.account_id
GROUP BY ALL
