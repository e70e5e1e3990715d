-- grain: one break between expected movements and the bank, with the ids of all its rows
-- inputs: recon_bank_groups, recon_bank_members
-- owner: finance
WITH named AS (
    SELECT
        group_id,
        list_sort(list(row_id)) AS row_ids
    FROM recon_bank_members
    GROUP BY group_id
)

SELECT
    broken.day AS business_date,
    broken.outcome AS kind,
    'bank' AS side,
    NULL::VARCHAR AS row_type,
    broken.rail,
    named.row_ids,
    broken.reference,
    broken.expected_minor,
    broken.actual_minor,
    broken.currency,
    CASE broken.outcome
        WHEN 'unexpected_credit' THEN 'on the bank statement only'
        WHEN 'missing_external'
            THEN 'not on the bank statement; due by ' || broken.last_in_window
        WHEN 'duplicate_internal' THEN 'expected ' || broken.expected_count || ' times, booked once'
        WHEN 'duplicate_external' THEN 'booked ' || broken.line_count || ' times'
        WHEN 'currency_mismatch' THEN 'the bank and we name different currencies'
        WHEN 'amount_mismatch'
            THEN 'the bank differs by ' || (broken.actual_minor - broken.expected_minor) || ' minor units'
        ELSE 'booked on ' || broken.booked_on || ', due by ' || broken.last_in_window
    END AS reason
FROM recon_bank_groups AS broken
INNER JOIN named ON broken.group_id = named.group_id
WHERE broken.outcome NOT IN ('matched', 'open') AND coalesce(broken.day = $day::DATE, true)
