-- grain: one movement that the bank should show: a rail's settlement, or a payout of ours
-- inputs: in_rail, in_ledger
-- owner: finance
SELECT
    'settlement ' || coalesce(rail, '') || ' ' || settlement_id AS node,
    'settlement' AS kind,
    settlement_id AS row_id,
    settlement_id,
    rail,
    sum(net_minor)::BIGINT AS amount_minor,
    min(currency) AS currency,
    count(DISTINCT currency) > 1 AS is_mixed,
    max(day) AS day,
    -- Rows of one settlement name one UTR; if they do not, its id alone can bind it.
    CASE WHEN count(DISTINCT utr) = 1 THEN min(utr) END AS utr,
    NULL::VARCHAR AS reference
FROM in_rail
WHERE settlement_id IS NOT NULL
GROUP BY rail, settlement_id
UNION ALL
SELECT
    'payout ' || row_id AS node,
    'payout' AS kind,
    row_id,
    NULL AS settlement_id,
    rail,
    -amount_minor AS amount_minor,
    currency,
    false AS is_mixed,
    day,
    NULL AS utr,
    reference
FROM in_ledger
WHERE kind = 'payout'
