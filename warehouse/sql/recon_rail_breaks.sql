-- grain: one break between ledger and rail, with the ids of all its rows
-- inputs: recon_rail_groups, recon_rail_keys, in_ledger, in_rail
-- owner: finance
WITH broken AS (
    SELECT *
    FROM recon_rail_groups
    WHERE outcome NOT IN ('matched', 'open') AND coalesce(day = $day::DATE, true)
),

broken_keys AS (
    SELECT
        keys.group_id,
        keys.key,
        keys.kind,
        keys.currency
    FROM recon_rail_keys AS keys
    SEMI JOIN broken ON keys.group_id = broken.group_id
),

members AS (
    SELECT
        keys.group_id,
        ledger.row_id,
        ledger.reference
    FROM broken_keys AS keys
    INNER JOIN in_ledger AS ledger
        ON keys.key = ledger.key AND keys.kind = ledger.kind AND keys.currency = ledger.currency
    UNION ALL
    SELECT
        keys.group_id,
        rail.row_id,
        rail.reference
    FROM broken_keys AS keys
    INNER JOIN in_rail AS rail
        ON keys.key = rail.key AND keys.kind = rail.kind AND keys.currency = rail.currency
),

named AS (
    SELECT
        group_id,
        list_sort(list(row_id)) AS row_ids,
        any_value(reference) AS reference
    FROM members
    GROUP BY group_id
)

SELECT
    broken.day AS business_date,
    broken.outcome AS kind,
    'rail' AS side,
    broken.kind AS row_type,
    broken.rail,
    named.row_ids,
    named.reference,
    CASE broken.outcome
        WHEN 'fee_mismatch' THEN broken.expected_fee_minor
        WHEN 'tax_mismatch' THEN broken.expected_tax_minor
        ELSE coalesce(broken.ledger_minor, 0)
    END AS expected_minor,
    CASE broken.outcome
        WHEN 'fee_mismatch' THEN broken.fee_minor
        WHEN 'tax_mismatch' THEN broken.tax_minor
        ELSE coalesce(broken.rail_minor, 0)
    END AS actual_minor,
    broken.currency,
    CASE broken.outcome
        WHEN 'duplicate_internal' THEN 'the ledger has this reference ' || broken.ledger_copies || ' times'
        WHEN 'duplicate_external' THEN 'the file has this reference ' || broken.rail_copies || ' times'
        WHEN 'currency_mismatch' THEN 'the ledger and the file name different currencies'
        WHEN 'amount_mismatch'
            THEN 'the file differs from the ledger by ' || (broken.rail_minor - broken.ledger_minor) || ' minor units'
        WHEN 'status_mismatch' THEN 'the file gives another status than the ledger'
        WHEN 'fee_mismatch'
            THEN 'the rail gives back a fee of ' || -broken.fee_minor || ' minor units, and charged '
            || -broken.expected_fee_minor
        WHEN 'tax_mismatch'
            THEN 'the rail gives back GST of ' || -broken.tax_minor || ' minor units, and charged '
            || -broken.expected_tax_minor
        WHEN 'reversed_unpaired'
            THEN CASE
                WHEN broken.ledger_copies = 0 THEN 'the file has a reversal that the ledger does not have'
                ELSE 'reversed in the ledger only; due in the file of ' || coalesce(broken.due_on::VARCHAR, 'its day')
            END
        WHEN 'timing' THEN 'settled on ' || broken.settled_on || ', due by ' || broken.last_in_window
        WHEN 'missing_internal' THEN 'in the file only'
        ELSE 'in the ledger only; due in the file of ' || coalesce(broken.due_on::VARCHAR, 'its day')
    END AS reason
FROM broken
INNER JOIN named ON broken.group_id = named.group_id
