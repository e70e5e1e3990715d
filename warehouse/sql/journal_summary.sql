-- grain: one side of one account in the journal of a day, kind and currency
-- inputs: raw_entries, raw_transactions, raw_accounts
-- owner: finance
WITH line AS (
    SELECT
        entry.business_date AS day,
        posted.kind,
        entry.currency,
        account.code,
        entry.amount_minor > 0 AS credited,
        sum(abs(entry.amount_minor))::BIGINT AS amount_minor,
        count(*) AS entries
    FROM raw_entries AS entry
    INNER JOIN raw_transactions AS posted ON entry.transaction_id = posted.id
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date BETWEEN $first AND $last
        AND entry.layer = 'posted'
        AND entry.livemode = $livemode
    GROUP BY ALL
)

SELECT
    day,
    dense_rank() OVER (ORDER BY day, kind, currency) AS journal,
    row_number() OVER (PARTITION BY day, kind, currency ORDER BY code, credited) AS line,
    code,
    CASE WHEN credited THEN 0 ELSE amount_minor END AS debit_minor,
    CASE WHEN credited THEN amount_minor ELSE 0 END AS credit_minor,
    currency,
    kind AS reference,
    replace(kind, '_', ' ') || ', ' || entries || CASE entries WHEN 1 THEN ' entry' ELSE ' entries' END AS narration
FROM line
