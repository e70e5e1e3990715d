-- grain: one set of rail rows that only together make one bank line
-- inputs: recon_subsets, in_rail
-- owner: finance
SELECT
    subset.node,
    'rows' AS kind,
    list_sort(list(rail.row_id)) AS row_ids,
    NULL::VARCHAR AS settlement_id,
    min(rail.rail) AS rail,
    sum(rail.net_minor)::BIGINT AS amount_minor,
    min(rail.currency) AS currency,
    max(rail.day) AS day,
    NULL::VARCHAR[] AS utrs,
    NULL::VARCHAR AS reference,
    NULL::VARCHAR AS counterparty
FROM recon_subsets AS subset
INNER JOIN in_rail AS rail ON subset.rail_no = rail.rowid
GROUP BY subset.node
