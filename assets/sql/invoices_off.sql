-- grain: one currency and part whose documents do not add up to what the ledger moved in the month
-- inputs: invoices, raw_entries, raw_accounts
-- owner: finance
WITH posted AS (
    SELECT
        entry.currency,
        account.livemode,
        CASE WHEN account.code LIKE 'fees:%' THEN 'value' ELSE split_part(account.code, ':', 2) END AS part,
        sum(entry.amount_minor) AS minor
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date BETWEEN $first AND $last
        AND entry.layer = 'posted'
        AND (account.code LIKE 'fees:%' OR account.code IN ('tax:igst', 'tax:cgst', 'tax:sgst'))
    GROUP BY ALL
),

signed AS (
    SELECT
        *,
        CASE kind WHEN 'invoice' THEN 1 ELSE -1 END AS sign
    FROM invoices
    WHERE "month" = $first
),

documented AS (
    SELECT currency, livemode, 'value' AS part, sum(sign * value_minor) AS minor FROM signed GROUP BY ALL
    UNION ALL
    SELECT currency, livemode, 'igst' AS part, sum(sign * igst_minor) AS minor FROM signed GROUP BY ALL
    UNION ALL
    SELECT currency, livemode, 'cgst' AS part, sum(sign * cgst_minor) AS minor FROM signed GROUP BY ALL
    UNION ALL
    SELECT currency, livemode, 'sgst' AS part, sum(sign * sgst_minor) AS minor FROM signed GROUP BY ALL
)

SELECT currency, livemode, part, documented.minor AS documented_minor, posted.minor AS posted_minor
FROM documented FULL JOIN posted USING (currency, livemode, part)
WHERE coalesce(documented.minor, 0) <> coalesce(posted.minor, 0)
