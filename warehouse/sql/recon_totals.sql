-- grain: one input of one side: its rows and money, and where they went
-- inputs: in_ledger, in_rail, recon_rail_keys, recon_rail_groups, recon_bank_members,
--   recon_bank_groups, found_matches, found_breaks
-- owner: finance
WITH input AS (
    SELECT
        'rail' AS side,
        'ledger' AS input,
        ledger.row_id,
        ledger.amount_minor,
        ledger.currency,
        groups.outcome
    FROM in_ledger AS ledger
    INNER JOIN recon_rail_keys AS keys
        ON ledger.key = keys.key AND ledger.kind = keys.kind AND ledger.currency = keys.currency
    INNER JOIN recon_rail_groups AS groups ON keys.group_id = groups.group_id
    WHERE coalesce(groups.day = $day::DATE, true)
    UNION ALL
    SELECT
        'rail' AS side,
        'rail' AS input,
        rail.row_id,
        rail.gross_minor AS amount_minor,
        rail.currency,
        groups.outcome
    FROM in_rail AS rail
    INNER JOIN recon_rail_keys AS keys
        ON rail.key = keys.key AND rail.kind = keys.kind AND rail.currency = keys.currency
    INNER JOIN recon_rail_groups AS groups ON keys.group_id = groups.group_id
    WHERE coalesce(groups.day = $day::DATE, true)
    UNION ALL
    SELECT
        'bank' AS side,
        member.side AS input,
        member.row_id,
        member.amount_minor,
        member.currency,
        groups.outcome
    FROM recon_bank_members AS member
    INNER JOIN recon_bank_groups AS groups ON member.group_id = groups.group_id
    WHERE coalesce(groups.day = $day::DATE, true)
),

-- What was stored, row by row: a row in two places counts twice and shows as a gap.
stored AS (
    SELECT
        side,
        'matched' AS place,
        unnest(list_distinct([ledger_id, rail_id, bank_id, settlement_id])) AS row_id,
        group_id AS origin
    FROM found_matches
    UNION
    SELECT
        side,
        'broken' AS place,
        unnest(list_distinct(row_ids)) AS row_id,
        array_to_string(row_ids, ';') AS origin
    FROM found_breaks
),

placed AS (
    SELECT
        input.side,
        input.input,
        input.currency,
        input.amount_minor,
        input.outcome,
        count(*) FILTER (stored.place = 'matched') AS matched,
        count(*) FILTER (stored.place = 'broken') AS broken
    FROM input
    LEFT JOIN stored ON input.side = stored.side AND input.row_id = stored.row_id
    GROUP BY input.side, input.input, input.currency, input.row_id, input.amount_minor, input.outcome
)

SELECT
    $day::DATE AS business_date,
    side,
    input,
    currency,
    count(*) AS input_count,
    sum(amount_minor)::BIGINT AS input_minor,
    sum(matched)::BIGINT AS matched_count,
    sum(amount_minor * matched)::BIGINT AS matched_minor,
    sum(broken)::BIGINT AS broken_count,
    sum(amount_minor * broken)::BIGINT AS broken_minor,
    count(*) FILTER (outcome = 'open') AS open_count,
    coalesce(sum(amount_minor) FILTER (outcome = 'open'), 0)::BIGINT AS open_minor
FROM placed
GROUP BY side, input, currency
