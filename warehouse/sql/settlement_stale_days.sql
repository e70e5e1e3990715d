-- grain: one business day of a due period whose lines are not those of the ledger
-- inputs: settlement_carried, settlement_lines, raw_entries, raw_transactions, raw_accounts
-- owner: finance
-- Days that nobody settled, and days to which an entry came late.
WITH span AS (
    SELECT min(first_day) AS first_day FROM settlement_carried
),

ledger AS (
    SELECT
        entry.business_date,
        sum(entry.amount_minor) AS minor,
        count(DISTINCT entry.transaction_id) AS transactions
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    ANTI JOIN (SELECT id FROM raw_transactions WHERE kind IN ('settlement', 'cutover')) AS taking
        ON entry.transaction_id = taking.id
    WHERE account.code LIKE 'merchant:%:pending'
        AND entry.layer = 'posted'
        AND entry.business_date >= (SELECT first_day FROM span)
        AND entry.business_date < $day
    GROUP BY entry.business_date
),

line AS (
    SELECT
        business_date,
        sum(net_minor) AS minor,
        count(DISTINCT transaction_id) AS transactions
    FROM settlement_lines
    WHERE business_date >= (SELECT first_day FROM span) AND business_date < $day
    GROUP BY business_date
)

SELECT business_date
FROM ledger
FULL JOIN line USING (business_date)
WHERE ledger.minor IS DISTINCT FROM line.minor OR ledger.transactions IS DISTINCT FROM line.transactions
ORDER BY business_date
