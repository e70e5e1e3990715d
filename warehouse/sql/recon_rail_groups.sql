-- grain: one group of ledger and rail rows that belong together, with its outcome
-- inputs: recon_rail_parts, recon_rail_returns, in_due, in_through, in_tolerance
-- owner: finance
WITH grouped AS (
    SELECT *
    FROM recon_rail_parts
    WHERE NOT is_crossed
    UNION ALL BY NAME
    SELECT
        key,
        kind,
        coalesce(min(currency) FILTER (ledger_copies > 0), min(currency)) AS currency,
        part,
        sum(ledger_copies)::BIGINT AS ledger_copies,
        sum(rail_copies)::BIGINT AS rail_copies,
        sum(ledger_minor)::BIGINT AS ledger_minor,
        sum(rail_minor)::BIGINT AS rail_minor,
        1 AS ledger_amounts,
        1 AS rail_amounts,
        1 AS signs,
        count(DISTINCT currency) > 1 AS is_crossed,
        min(ledger_rail) AS ledger_rail,
        min(rail) AS rail,
        coalesce(min(ledger_day), min(day)) AS day,
        min(ledger_day) AS ledger_day,
        max(due_on) AS due_on,
        max(settled_on) AS settled_on,
        group_id
    FROM recon_rail_parts
    WHERE is_crossed
    GROUP BY key, kind, part, group_id
),

dated AS (
    SELECT
        grouped.* REPLACE (
            coalesce(grouped.status_differs, false) AS status_differs,
            -- What a reversal gives back is what its payment was charged; else what the row itself says.
            coalesce(returns.expected_fee_minor, grouped.right_fee_minor) AS right_fee_minor,
            coalesce(returns.expected_tax_minor, grouped.right_tax_minor) AS right_tax_minor
        ),
        returns.key IS NOT NULL AS is_return,
        own.rail_last AS last_in_window,
        ledger_minor - rail_minor AS gap_minor,
        -- One of each, or several of one side that together are the one of the other.
        ledger_copies = 1 AND rail_copies = 1
        AND abs(gap_minor) <= greatest(tolerance.minor, abs(ledger_minor) * tolerance.bps // 10000)
        OR gap_minor = 0 AND signs = 1
        AND (ledger_copies = 1 AND $sums_of_rail::BOOLEAN OR rail_copies = 1 AND $sums_of_ledger::BOOLEAN) AS is_even,
        -- Once the file of the row's bank day has come, or its window has passed, it is missing.
        $as_of::DATE IS NULL
        -- A switch's last cycle of a day is not in its first file.
        OR coalesce(heard.through >= grouped.due_on AND grouped.due_on < $as_of::DATE, false)
        OR coalesce($as_of::DATE > own.rail_last, false) AS is_due
    FROM grouped
    LEFT JOIN in_due AS own
        ON own.rail IS NOT DISTINCT FROM coalesce(grouped.ledger_rail, grouped.rail) AND own.day = grouped.due_on
    LEFT JOIN in_tolerance AS tolerance
        ON tolerance.rail IS NOT DISTINCT FROM coalesce(grouped.ledger_rail, grouped.rail)
    LEFT JOIN in_through AS heard
        ON heard.source = CASE WHEN is_memo(grouped.kind) THEN 'p2p ' ELSE '' END || grouped.rail
    LEFT JOIN recon_rail_returns AS returns
        ON grouped.key = returns.key AND grouped.kind = returns.kind AND grouped.currency = returns.currency
)

-- Of what applies, the first is the break.
SELECT
    * EXCLUDE (is_due, is_return),
    coalesce(booked_fee_minor, right_fee_minor) AS expected_fee_minor,
    coalesce(booked_tax_minor, right_tax_minor) AS expected_tax_minor,
    CASE
        WHEN ledger_copies > 1 AND NOT coalesce(is_even, false) AND (rail_copies > 0 OR ledger_amounts = 1)
            THEN 'duplicate_internal'
        WHEN rail_copies > 1 AND NOT coalesce(is_even, false) AND (ledger_copies > 0 OR rail_amounts = 1)
            THEN 'duplicate_external'
        WHEN is_crossed THEN 'currency_mismatch'
        WHEN ledger_copies > 0 AND rail_copies > 0 AND NOT is_even THEN 'amount_mismatch'
        WHEN ledger_copies > 0 AND rail_copies > 0 AND status_differs THEN 'status_mismatch'
        WHEN ledger_copies > 0 AND rail_copies > 0 AND right_fee_minor <> fee_minor THEN 'fee_mismatch'
        -- Books may show fee and tax as one charge.
        WHEN ledger_copies > 0 AND rail_copies > 0 AND booked_fee_minor <> abs(fee_minor) AND (
            booked_tax_minor IS NOT NULL OR booked_fee_minor <> abs(fee_minor + tax_minor)
        ) THEN 'fee_mismatch'
        WHEN ledger_copies > 0 AND rail_copies > 0 AND right_tax_minor <> tax_minor THEN 'tax_mismatch'
        WHEN ledger_copies > 0 AND rail_copies > 0 AND booked_tax_minor <> abs(tax_minor) THEN 'tax_mismatch'
        WHEN kind IN ('reversal', 'p2p_return') AND (ledger_copies = 0 OR rail_copies = 0 AND is_due) THEN 'reversed_unpaired'
        WHEN ledger_copies > 0
            AND (settled_on > last_in_window OR first_settled_on < ledger_day - $early_days::INTEGER) THEN 'timing'
        WHEN ledger_copies = 0 AND rail_copies > 0 THEN 'missing_internal'
        WHEN rail_copies = 0 AND is_due THEN 'missing_external'
        WHEN rail_copies = 0 THEN 'open'
        ELSE 'matched'
    END AS outcome
FROM dated
