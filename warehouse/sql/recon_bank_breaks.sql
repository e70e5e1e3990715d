-- grain: one break between expected movements and the bank, with the ids of all its rows
-- inputs: recon_bank_groups, recon_bank_members, recon_doubts
-- owner: finance
WITH named AS (
    SELECT
        group_id,
        -- Rows of a UTR are a settlement that has no other name.
        min(CASE member.kind WHEN 'payout' THEN 'payout' ELSE 'settlement' END) FILTER (member.side = 'expected')
            AS row_type,
        list_sort(flatten(list(member.row_ids))) AS row_ids,
        max(doubt.choices) AS choices,
        min(doubt.rule) AS rule
    FROM recon_bank_members AS member
    LEFT JOIN recon_doubts AS doubt ON member.side = doubt.input AND member.no = doubt.no
    GROUP BY group_id
)

SELECT
    broken.group_id,
    broken.day AS business_date,
    broken.outcome AS kind,
    'bank' AS side,
    named.row_type,
    broken.rail,
    named.row_ids,
    broken.reference,
    broken.expected_minor,
    broken.actual_minor,
    broken.currency,
    CASE broken.outcome
        WHEN 'unexpected_credit' THEN 'on the bank statement only'
        WHEN 'missing_external'
            THEN 'not on the bank statement' || coalesce('; due by ' || broken.last_in_window, '')
        WHEN 'duplicate_internal' THEN 'expected ' || broken.expected_count || ' times, booked once'
        WHEN 'duplicate_external' THEN 'booked ' || broken.line_count || ' times'
        WHEN 'currency_mismatch' THEN 'the bank and we name different currencies'
        WHEN 'amount_mismatch'
            THEN 'the bank differs by ' || (broken.actual_minor - broken.expected_minor) || ' minor units'
        ELSE 'booked on ' || broken.booked_on || ', due by ' || broken.last_in_window
    END || coalesce(
        '; ambiguous: ' || named.choices || ' answers by ' || named.rule || ', none was taken', ''
    ) AS reason,
    CASE WHEN named.choices IS NOT NULL THEN 'ambiguous' END AS cause
FROM recon_bank_groups AS broken
INNER JOIN named ON broken.group_id = named.group_id
WHERE broken.outcome NOT IN ('matched', 'open') AND coalesce(broken.day = $day::DATE, true)
