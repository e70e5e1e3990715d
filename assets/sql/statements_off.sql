-- grain: one statement of a run's manifest that does not foot, or does not end at the merchant's
--   balance in the ledger
-- inputs: raw_entries, raw_accounts, the manifest
-- owner: finance
WITH statement AS (
    SELECT DISTINCT *
    -- Named one by one: a run that had nothing to send has an empty manifest.
    FROM read_json($manifest, columns = {
        statement_id: 'VARCHAR',
        merchant_id: 'VARCHAR',
        merchant_name: 'VARCHAR',
        end_date: 'DATE',
        currency: 'VARCHAR',
        opening_minor: 'BIGINT',
        credit_minor: 'BIGINT',
        debit_minor: 'BIGINT',
        closing_minor: 'BIGINT'
    })
),

balance AS (
    SELECT
        statement.statement_id,
        coalesce(sum(entry.amount_minor), 0)::BIGINT AS ledger_minor
    FROM statement
    LEFT JOIN raw_accounts AS account
        ON starts_with(account.code, 'merchant:' || statement.merchant_id || ':')
            AND account.currency = statement.currency
    LEFT JOIN raw_entries AS entry
        ON account.id = entry.account_id
            AND entry.layer = 'posted'
            AND entry.business_date <= statement.end_date
    GROUP BY statement.statement_id
)

SELECT
    statement.merchant_name,
    statement.opening_minor,
    statement.credit_minor,
    statement.debit_minor,
    statement.closing_minor,
    balance.ledger_minor,
    statement.currency
FROM statement
INNER JOIN balance ON statement.statement_id = balance.statement_id
WHERE statement.opening_minor + statement.credit_minor - statement.debit_minor <> statement.closing_minor
    OR statement.closing_minor <> balance.ledger_minor
