-- grain: one group of ledger and rail rows that belong together, with its outcome
-- inputs: recon_rail_keys, recon_rail_returns, in_window, in_through
-- owner: finance
WITH grouped AS (
    SELECT * EXCLUDE (is_crossed)
    FROM recon_rail_keys
    WHERE NOT is_crossed
    UNION ALL BY NAME
    SELECT
        key,
        kind,
        coalesce(
            min(currency) FILTER (ledger_copies > 0), min(currency)
        ) AS currency,
        sum(ledger_copies)::BIGINT AS ledger_copies,
        sum(rail_copies)::BIGINT AS rail_copies,
        sum(ledger_minor)::BIGINT AS ledger_minor,
        sum(rail_minor)::BIGINT AS rail_minor,
        min(ledger_id) AS ledger_id,
        min(rail_id) AS rail_id,
        min(rail) AS rail,
        coalesce(min(day) FILTER (ledger_copies > 0), min(day)) AS day,
        max(due_on) AS due_on,
        max(settled_on) AS settled_on,
        bool_or(status_differs) AS status_differs,
        group_id
    FROM recon_rail_keys
    WHERE is_crossed
    GROUP BY key, kind, group_id
),

dated AS (
    SELECT
        grouped.*,
        grouped.day + own.rail_days AS last_in_window,
        returns.fee_minor,
        returns.expected_fee_minor,
        returns.tax_minor,
        returns.expected_tax_minor,
        -- Once the file of the row's bank day has come, or its window has passed, it is missing.
        $as_of::DATE IS NULL
        OR coalesce(heard.through >= grouped.due_on, false)
        OR $as_of::DATE > grouped.due_on + own.rail_days AS is_due
    FROM grouped
    INNER JOIN in_window AS own ON own.rail IS NOT DISTINCT FROM grouped.rail
    LEFT JOIN in_through AS heard ON heard.source = grouped.rail
    LEFT JOIN recon_rail_returns AS returns
        ON grouped.key = returns.key AND grouped.kind = returns.kind AND grouped.currency = returns.currency
)

-- Of what applies, the first is the break.
SELECT
    * EXCLUDE (is_due),
    CASE
        WHEN ledger_copies > 1 THEN 'duplicate_internal'
        WHEN rail_copies > 1 THEN 'duplicate_external'
        WHEN ledger_copies = 1 AND rail_copies = 1 AND group_id IN (
            SELECT crossed.group_id FROM recon_rail_keys AS crossed WHERE crossed.is_crossed
        ) THEN 'currency_mismatch'
        WHEN ledger_minor <> rail_minor THEN 'amount_mismatch'
        WHEN status_differs THEN 'status_mismatch'
        WHEN fee_minor <> expected_fee_minor THEN 'fee_mismatch'
        WHEN tax_minor <> expected_tax_minor THEN 'tax_mismatch'
        WHEN kind = 'reversal' AND (ledger_copies = 0 OR rail_copies = 0 AND is_due) THEN 'reversed_unpaired'
        WHEN ledger_copies = 1 AND settled_on > last_in_window THEN 'timing'
        WHEN ledger_copies = 0 THEN 'missing_internal'
        WHEN rail_copies = 0 AND is_due THEN 'missing_external'
        WHEN rail_copies = 0 THEN 'open'
        ELSE 'matched'
    END AS outcome
FROM dated
