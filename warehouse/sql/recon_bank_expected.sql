-- grain: one movement that the bank should show: what a settlement pays in one currency, rows of one
--   UTR that name no settlement, or a payout of ours
-- inputs: in_rail, in_ledger, recon_rail_members, recon_rail_parts, recon_rail_groups
-- owner: finance
WITH small AS (
    SELECT
        rail,
        trim(in_rail.settlement_id) AS settlement_id,
        CASE WHEN in_rail.settlement_id IS NULL THEN utr END AS only_utr,
        currency,
        trim(in_rail.utr) AS utr,
        count(*) AS row_count,
        sum(net_minor)::BIGINT AS net_minor,
        max(day) AS day,
        min(counterparty) AS counterparty,
        list(row_id) FILTER (in_rail.settlement_id IS NULL) AS row_ids
    FROM in_rail
    WHERE (in_rail.settlement_id IS NOT NULL OR in_rail.utr IS NOT NULL) AND NOT is_memo(in_rail.kind)
    GROUP BY rail, in_rail.settlement_id, only_utr, currency, in_rail.utr
),

-- A row whose currency is itself in doubt says nothing about what its settlement pays.
doubted AS (
    SELECT
        rail.rail,
        trim(rail.settlement_id) AS settlement_id,
        CASE WHEN rail.settlement_id IS NULL THEN rail.utr END AS only_utr,
        rail.currency,
        count(*) AS row_count
    FROM recon_rail_groups AS broken
    INNER JOIN recon_rail_parts AS parts ON broken.group_id = parts.group_id
    INNER JOIN recon_rail_members AS member
        ON parts.key = member.key AND parts.kind = member.kind
        AND parts.currency = member.currency AND parts.part = member.part
    INNER JOIN in_rail AS rail ON member.no = rail.rowid
    WHERE member.input = 'rail' AND broken.outcome IN ('currency_mismatch', 'missing_internal')
    GROUP BY ALL
),

paid AS (
    SELECT
        rail,
        settlement_id,
        only_utr,
        currency,
        sum(row_count)::BIGINT AS row_count,
        sum(net_minor)::BIGINT AS net_minor,
        max(day) AS day,
        list_sort(list(DISTINCT utr) FILTER (utr IS NOT NULL)) AS utrs,
        min(counterparty) AS counterparty,
        flatten(list(row_ids)) AS row_ids
    FROM small
    GROUP BY rail, settlement_id, only_utr, currency
),

sure AS (
    SELECT
        paid.*,
        doubted.row_count IS NOT DISTINCT FROM paid.row_count AS is_doubted,
        row_number() OVER (
            PARTITION BY paid.rail, paid.settlement_id, paid.only_utr
            ORDER BY is_doubted, paid.row_count DESC, paid.currency
        ) AS place
    FROM paid
    LEFT JOIN doubted
        ON paid.rail IS NOT DISTINCT FROM doubted.rail
        AND paid.settlement_id IS NOT DISTINCT FROM doubted.settlement_id
        AND paid.only_utr IS NOT DISTINCT FROM doubted.only_utr
        AND paid.currency = doubted.currency
),

movements AS (
    SELECT
        CASE WHEN settlement_id IS NULL THEN 'utr' ELSE 'settlement' END AS kind,
        CASE WHEN settlement_id IS NULL THEN list_sort(row_ids) ELSE [settlement_id] END AS row_ids,
        settlement_id,
        rail,
        net_minor AS amount_minor,
        currency,
        day,
        utrs,
        coalesce(settlement_id, only_utr) AS reference,
        counterparty
    FROM sure
    WHERE place = 1 OR NOT is_doubted
    UNION ALL
    SELECT
        'payout' AS kind,
        [row_id] AS row_ids,
        NULL AS settlement_id,
        rail,
        -amount_minor AS amount_minor,
        currency,
        day,
        NULL AS utrs,
        reference,
        counterparty
    FROM in_ledger
    WHERE kind = 'payout'
)

SELECT
    row_number() OVER () AS node,
    *
FROM movements
