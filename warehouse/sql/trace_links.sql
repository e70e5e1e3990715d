-- grain: one place outside our own books where an attempt of the day shows: a rail's line, a bank's
--   line, a settlement
-- inputs: stg_ledger_rows, stg_payout_rows, stg_rail_rows, stg_bank_lines, recon_matches, recon_breaks,
--   settlement_lines, raw_transactions, raw_bank_files, raw_events
-- owner: finance
-- A dispute is known by the rail's word for it; it belongs to the attempt that paid.
WITH moved AS (
    SELECT
        ledger.entry_id,
        CASE
            WHEN starts_with(ledger.reference, 'att_') THEN ledger.reference
            ELSE posted.metadata ->> '$.attempt_id'
        END AS attempt
    FROM stg_ledger_rows AS ledger
    INNER JOIN raw_transactions AS posted ON ledger.transaction_id = posted.id
    WHERE ledger.business_date = $day AND posted.business_date = $day
),

paid_out AS (
    SELECT
        payout.entry_id,
        payout.reference AS attempt,
        posted.metadata ->> '$.settlement_id' AS settlement_id,
        payout.amount_minor,
        payout.currency
    FROM stg_payout_rows AS payout
    INNER JOIN raw_transactions AS posted ON payout.transaction_id = posted.id
    WHERE payout.business_date = $day AND posted.business_date = $day
),

-- A row that is late or has another amount is a break, and shows where it is all the same.
broken AS (
    SELECT
        break_id,
        side,
        rail,
        unnest(row_ids) AS row_id
    FROM recon_breaks
    -- A settlement is announced after its payments, and a break of the bank is of that day.
    WHERE business_date >= $day
),

at_rail AS (
    SELECT
        ledger_id,
        rail_id
    FROM recon_matches
    WHERE business_date = $day AND side = 'rail'
    UNION
    SELECT
        ours.row_id AS ledger_id,
        theirs.row_id AS rail_id
    FROM broken AS ours
    INNER JOIN broken AS theirs ON ours.break_id = theirs.break_id
    WHERE ours.side = 'rail'
),

rail_line AS (
    SELECT
        moved.attempt,
        line.*
    FROM at_rail
    INNER JOIN moved ON at_rail.ledger_id = moved.entry_id
    INNER JOIN stg_rail_rows AS line ON at_rail.rail_id = line.rail_ref
),

at_bank AS (
    SELECT
        rail,
        coalesce(settlement_id, ledger_id) AS expected,
        bank_id
    FROM recon_matches
    WHERE business_date >= $day AND side = 'bank'
    UNION
    SELECT
        ours.rail,
        ours.row_id AS expected,
        theirs.row_id AS bank_id
    FROM broken AS ours
    INNER JOIN broken AS theirs ON ours.break_id = theirs.break_id
    WHERE ours.side = 'bank'
),

expected AS (
    SELECT DISTINCT
        attempt,
        rail,
        settlement_id AS expected
    FROM rail_line
    UNION ALL
    SELECT
        attempt,
        NULL AS rail,
        entry_id AS expected
    FROM paid_out
),

settled AS (
    SELECT
        aggregate_id,
        merchant_id,
        ("timestamp" + INTERVAL 330 MINUTE)::DATE AS settled_on,
        data ->> '$.currency' AS currency,
        -- A settlement of before there were periods is its business day.
        coalesce((data ->> '$.starts_at')::TIMESTAMPTZ, CASE
            WHEN (data ->> '$.ends_at') IS NULL THEN midnight((data ->> '$.business_date')::DATE)
            ELSE '-infinity'::TIMESTAMPTZ
        END) AS starts_at,
        coalesce(
            (data ->> '$.ends_at')::TIMESTAMPTZ, midnight((data ->> '$.business_date')::DATE + 1)
        ) AS ends_at
    FROM raw_events
    WHERE event_type = 'settlement.created' AND (data ->> '$.business_date') >= $day::DATE::VARCHAR
),

link AS (
    SELECT
        rail_line.attempt,
        'rail_line' AS hop,
        file.name || '#' || rail_line.row_no AS reference,
        rail_line.settled_on AS at_date,
        rail_line.gross_minor AS amount_minor,
        rail_line.currency,
        rail_line.file_sha256 AS sha256
    FROM rail_line
    INNER JOIN raw_bank_files AS file ON rail_line.file_sha256 = file.file_sha256
    UNION ALL
    SELECT
        expected.attempt,
        'bank_line' AS hop,
        coalesce(line.utr, line.reference, line.line_id) AS reference,
        line.booking_date AS at_date,
        line.amount_minor,
        line.currency,
        line.file_sha256 AS sha256
    FROM expected
    INNER JOIN at_bank
        ON expected.expected = at_bank.expected AND coalesce(expected.rail, at_bank.rail) = at_bank.rail
    INNER JOIN stg_bank_lines AS line ON at_bank.bank_id = line.line_id
    UNION ALL
    SELECT
        CASE
            WHEN starts_with(line.reference, 'att_') THEN line.reference
            ELSE posted.metadata ->> '$.attempt_id'
        END AS attempt,
        'settlement' AS hop,
        typeid('stl', settled.aggregate_id) AS reference,
        settled.settled_on AS at_date,
        line.net_minor AS amount_minor,
        line.currency,
        NULL AS sha256
    FROM settlement_lines AS line
    INNER JOIN raw_transactions AS posted ON line.transaction_id = posted.id
    INNER JOIN settled
        ON line.merchant_id = settled.merchant_id
            AND line.currency = settled.currency
            AND moment(line.occurred_at, line.business_date) >= settled.starts_at
            AND moment(line.occurred_at, line.business_date) < settled.ends_at
    WHERE line.business_date = $day AND posted.business_date = $day
    UNION ALL
    SELECT
        attempt,
        'settlement' AS hop,
        settlement_id AS reference,
        $day::DATE AS at_date,
        -amount_minor AS amount_minor,
        currency,
        NULL AS sha256
    FROM paid_out
    WHERE settlement_id IS NOT NULL
)

SELECT
    $day::DATE AS business_date,
    attempt,
    hop,
    reference,
    min(at_date) AS at_date,
    sum(amount_minor)::BIGINT AS amount_minor,
    any_value(currency) AS currency,
    any_value(sha256) AS sha256
FROM link
WHERE attempt IS NOT NULL
GROUP BY attempt, hop, reference
