-- grain: one break between ledger and rail, with the ids of all its rows
-- inputs: recon_rail_groups, recon_rail_parts, recon_rail_members, recon_doubts
-- owner: finance
WITH broken AS (
    SELECT *
    FROM recon_rail_groups
    WHERE outcome NOT IN ('matched', 'open') AND coalesce(day = $day::DATE, true)
),

named AS (
    SELECT
        parts.group_id,
        list_sort(list(member.row_id)) AS row_ids,
        min(member.reference) AS reference,
        list_sort(list(DISTINCT member.status) FILTER (member.input = 'ledger')) AS our_statuses,
        list_sort(list(DISTINCT member.status) FILTER (member.input = 'rail')) AS their_statuses,
        max(doubt.choices) AS choices,
        min(doubt.rule) AS rule
    FROM recon_rail_members AS member
    INNER JOIN recon_rail_parts AS parts
        ON member.key = parts.key AND member.kind = parts.kind
        AND member.currency = parts.currency AND member.part = parts.part
    SEMI JOIN broken ON parts.group_id = broken.group_id
    LEFT JOIN recon_doubts AS doubt ON member.input = doubt.input AND member.no = doubt.no
    GROUP BY parts.group_id
)

SELECT
    broken.group_id,
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
        WHEN 'status_mismatch'
            THEN 'the ledger says ' || array_to_string(named.our_statuses, ', ')
            || ', the file ' || array_to_string(named.their_statuses, ', ')
        WHEN 'fee_mismatch'
            THEN 'the file shows a fee of ' || broken.fee_minor || ' minor units, expected '
            || broken.expected_fee_minor
        WHEN 'tax_mismatch'
            THEN 'the file shows a tax of ' || broken.tax_minor || ' minor units, expected '
            || broken.expected_tax_minor
        WHEN 'reversed_unpaired'
            THEN CASE
                WHEN broken.ledger_copies = 0 THEN 'the file has a reversal that the ledger does not have'
                ELSE 'reversed in the ledger only; due in the file of ' || coalesce(broken.due_on::VARCHAR, 'its day')
            END
        WHEN 'timing'
            THEN CASE
                WHEN broken.settled_on > broken.last_in_window
                    THEN 'settled on ' || broken.settled_on || ', due by ' || broken.last_in_window
                ELSE 'settled on ' || broken.first_settled_on || ', before it happened on ' || broken.ledger_day
            END
        WHEN 'missing_internal' THEN 'in the file only'
        ELSE 'in the ledger only; due in the file of ' || coalesce(broken.due_on::VARCHAR, 'its day')
    END || coalesce(
        '; ambiguous: ' || named.choices || ' rows could answer it by ' || named.rule || ', none was taken', ''
    ) AS reason,
    CASE WHEN named.choices IS NOT NULL THEN 'ambiguous' END AS cause
FROM broken
INNER JOIN named ON broken.group_id = named.group_id
