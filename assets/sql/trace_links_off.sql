-- grain: one attempt of the day that lacks a link: to the settlement that its merchant's day is in,
--   to the rail's row that it was matched with, or to the bank's line of that row's settlement
-- inputs: trace_links, raw_entries, raw_transactions, raw_accounts, raw_events, recon_matches,
--   stg_rail_rows
-- owner: finance
WITH settled AS (
    SELECT
        posted.reference AS attempt,
        'settlement' AS hop
    FROM raw_transactions AS posted
    INNER JOIN raw_events AS created
        ON posted.merchant_id = created.merchant_id
            AND created.event_type = 'settlement.created'
            AND coalesce(
                (created.data ->> '$.ends_at')::TIMESTAMPTZ,
                midnight((created.data ->> '$.business_date')::DATE + 1)
            ) > moment(posted.effective_at, posted.business_date)
    WHERE posted.business_date = $day
        AND posted.kind IN ('capture', 'reversal', 'refund_requested', 'refund_failed')
),

matched AS (
    SELECT
        reference AS attempt,
        'rail_line' AS hop,
        rail_id
    FROM recon_matches
    WHERE business_date = $day AND side = 'rail'
),

credited AS (
    SELECT
        matched.attempt,
        'bank_line' AS hop
    FROM matched
    INNER JOIN stg_rail_rows AS line ON matched.rail_id = line.rail_ref
    SEMI JOIN recon_matches AS found
        ON found.side = 'bank'
            AND line.settlement_id = found.settlement_id
            AND line.rail = found.rail
            AND found.bank_id IS NOT NULL
),

due AS (
    SELECT
        attempt,
        hop
    FROM settled
    UNION
    SELECT
        attempt,
        hop
    FROM matched
    UNION
    SELECT
        attempt,
        hop
    FROM credited
)

SELECT
    due.attempt,
    due.hop AS link_that_is_missing
FROM due
ANTI JOIN trace_links AS link
    ON link.business_date = $day AND due.attempt = link.attempt AND due.hop = link.hop
WHERE starts_with(due.attempt, 'att_')
