-- grain: one input of one side: its rows and money, and where they went
-- inputs: in_ledger, in_rail, in_bank, recon_exact, recon_rail_members, recon_rail_parts,
--   recon_rail_groups, recon_bank_expected, recon_bank_members, recon_bank_groups,
--   recon_other_matches, recon_all_breaks
-- owner: finance
WITH given AS (
    SELECT 'rail' AS side, 'ledger' AS input, currency, count(*) AS rows_in, sum(amount_minor) AS minor
    FROM in_ledger WHERE kind <> 'payout' GROUP BY currency
    UNION ALL
    SELECT 'rail' AS side, 'rail' AS input, currency, count(*) AS rows_in, sum(gross_minor) AS minor
    FROM in_rail GROUP BY currency
    UNION ALL
    SELECT 'bank' AS side, 'expected' AS input, currency, count(*) AS rows_in, sum(amount_minor) AS minor
    FROM recon_bank_expected GROUP BY currency
    UNION ALL
    SELECT 'bank' AS side, 'line' AS input, currency, count(*) AS rows_in, sum(amount_minor) AS minor
    FROM in_bank GROUP BY currency
),

-- What is not of this day is accounted for on another.
at_once AS (
    SELECT
        side,
        unnest(['ledger', 'rail']) AS input,
        currency,
        is_of_day,
        rows_in,
        minor
    FROM (
        SELECT
            'rail' AS side,
            currency,
            coalesce(business_date = $day::DATE, true) AS is_of_day,
            count(*) AS rows_in,
            sum(amount_minor) AS minor
        FROM recon_exact WHERE is_matched GROUP BY currency, is_of_day
    )
),

members AS (
    SELECT
        'rail' AS side,
        member.input,
        member.currency,
        member.amount_minor,
        parts.group_id,
        groups.outcome,
        groups.day
    FROM recon_rail_members AS member
    INNER JOIN recon_rail_parts AS parts
        ON member.key = parts.key AND member.kind = parts.kind
        AND member.currency = parts.currency AND member.part = parts.part
    INNER JOIN recon_rail_groups AS groups ON parts.group_id = groups.group_id
    UNION ALL
    SELECT
        'bank' AS side,
        member.side AS input,
        member.currency,
        member.amount_minor,
        member.group_id,
        groups.outcome,
        groups.day
    FROM recon_bank_members AS member
    INNER JOIN recon_bank_groups AS groups ON member.group_id = groups.group_id
),

-- Where each group was stored: twice, or nowhere, shows as a gap.
placed AS (
    SELECT
        members.*,
        coalesce(day = $day::DATE, true) AS is_of_day,
        CASE WHEN matched.group_id IS NULL THEN 0 ELSE 1 END AS matched,
        coalesce(broken.times, 0) AS broken
    FROM members
    LEFT JOIN (SELECT DISTINCT side, group_id FROM recon_other_matches) AS matched
        ON members.side = matched.side AND members.group_id = matched.group_id
    LEFT JOIN (
        SELECT side, group_id, count(*) AS times FROM recon_all_breaks GROUP BY side, group_id
    ) AS broken
        ON members.side = broken.side AND members.group_id = broken.group_id
),

flows AS (
    SELECT side, input, currency, 'given' AS place, rows_in, minor FROM given
    UNION ALL
    SELECT side, input, currency, 'matched' AS place, rows_in, minor FROM at_once WHERE is_of_day
    UNION ALL
    SELECT side, input, currency, 'given' AS place, -rows_in, -minor FROM at_once WHERE NOT is_of_day
    UNION ALL
    SELECT side, input, currency, 'given' AS place, -1, -amount_minor FROM placed WHERE NOT is_of_day
    UNION ALL
    SELECT side, input, currency, 'matched' AS place, matched, matched * amount_minor FROM placed WHERE is_of_day
    UNION ALL
    SELECT side, input, currency, 'broken' AS place, broken, broken * amount_minor FROM placed WHERE is_of_day
    UNION ALL
    SELECT side, input, currency, 'open' AS place, 1, amount_minor FROM placed WHERE is_of_day AND outcome = 'open'
)

SELECT
    $day::DATE AS business_date,
    side,
    input,
    currency,
    coalesce(sum(rows_in) FILTER (place = 'given'), 0)::BIGINT AS input_count,
    coalesce(sum(minor) FILTER (place = 'given'), 0)::BIGINT AS input_minor,
    coalesce(sum(rows_in) FILTER (place = 'matched'), 0)::BIGINT AS matched_count,
    coalesce(sum(minor) FILTER (place = 'matched'), 0)::BIGINT AS matched_minor,
    coalesce(sum(rows_in) FILTER (place = 'broken'), 0)::BIGINT AS broken_count,
    coalesce(sum(minor) FILTER (place = 'broken'), 0)::BIGINT AS broken_minor,
    coalesce(sum(rows_in) FILTER (place = 'open'), 0)::BIGINT AS open_count,
    coalesce(sum(minor) FILTER (place = 'open'), 0)::BIGINT AS open_minor
FROM flows
GROUP BY side, input, currency
-- A day has no line for money of other days only.
HAVING input_count <> 0 OR input_minor <> 0 OR count(*) FILTER (place <> 'given' AND rows_in <> 0) > 0
