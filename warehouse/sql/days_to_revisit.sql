-- grain: one business day that has to be reconciled again
-- inputs: recon_breaks, recon_totals, recon_matches, stg_ledger_rows, stg_payout_rows, stg_rail_rows,
--   stg_bank_lines, raw_file_parts
-- owner: finance
WITH changed AS (
    SELECT unnest($changed::DATE[]) AS day
),

-- Every name that a row of a changed day goes by.
names AS (
    SELECT reference AS name
    FROM stg_ledger_rows
    WHERE business_date IN (SELECT day FROM changed)
    UNION
    SELECT reference AS name
    FROM stg_payout_rows
    WHERE business_date IN (SELECT day FROM changed)
    UNION
    SELECT unnest([reference, settlement_id]) AS name
    FROM stg_rail_rows
    WHERE settled_on IN (SELECT day FROM changed)
    UNION
    SELECT unnest([reference, utr]) AS name
    FROM stg_bank_lines
    WHERE booking_date IN (SELECT day FROM changed)
),

-- Banks glue names into narratives: there, an amount that was waited for is reason enough to look.
amounts AS (
    SELECT DISTINCT
        amount_minor,
        currency
    FROM stg_bank_lines
    WHERE booking_date IN (SELECT day FROM changed)
),

-- Matches of rows whose file another one has taken the place of, in part or whole.
stale AS (
    SELECT found.business_date
    FROM recon_matches AS found
    INNER JOIN (
        SELECT DISTINCT file_sha256[:16] AS prefix
        FROM raw_file_parts
        WHERE standing <> 'live'
    ) AS aside ON split_part(coalesce(found.rail_id, found.bank_id), '-', 1) = aside.prefix
    ANTI JOIN stg_rail_rows AS rail ON found.rail_id = rail.rail_ref
    ANTI JOIN stg_bank_lines AS line ON found.bank_id = line.line_id
    WHERE found.business_date BETWEEN
        (SELECT min(day) FROM changed) - $lookback_days::INTEGER
        AND least($upto, (SELECT max(day) FROM changed) + $lookback_days::INTEGER)
)

SELECT day AS business_date
FROM changed
WHERE day <= $upto
UNION
SELECT business_date
FROM recon_breaks
WHERE business_date BETWEEN $upto - $recent_days::INTEGER AND $upto
UNION
SELECT business_date
FROM recon_totals
WHERE open_count > 0 AND business_date BETWEEN $upto - $recent_days::INTEGER AND $upto
UNION
SELECT business_date
FROM recon_breaks
WHERE business_date <= $upto AND reference IN (SELECT name FROM names WHERE name IS NOT NULL)
UNION
SELECT broken.business_date
FROM recon_breaks AS broken
INNER JOIN amounts
    ON broken.expected_minor = amounts.amount_minor AND broken.currency = amounts.currency
WHERE broken.side = 'bank' AND broken.kind <> 'unexpected_credit' AND broken.business_date <= $upto
UNION
SELECT business_date
FROM stale
