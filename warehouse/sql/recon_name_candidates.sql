-- grain: one ledger row and one rail row, neither answered by its reference, that share another name
-- inputs: recon_left_ledger, recon_left_rail
-- owner: finance
WITH ours AS (
    SELECT
        no,
        key,
        kind,
        currency,
        reference,
        CASE $ledger WHEN 'payment_id' THEN payment_id END AS name
    FROM recon_left_ledger AS ledger
    ANTI JOIN recon_left_rail AS rail ON ledger.key = rail.key AND ledger.group_kind = rail.kind
    WHERE NOT is_charge
),

theirs AS (
    SELECT
        no,
        kind,
        currency,
        -- Where a row has no reference, its order id stands in for it.
        nullif(reference, order_id) AS own_reference,
        CASE $rail WHEN 'order_id' THEN order_id WHEN 'reference' THEN reference END AS name
    FROM recon_left_rail AS rail
    ANTI JOIN recon_left_ledger AS ledger ON rail.key = ledger.key AND rail.kind = ledger.group_kind
)

SELECT
    ours.no AS ledger_no,
    theirs.no AS rail_no,
    ours.key
FROM ours
INNER JOIN theirs ON ours.name = theirs.name AND ours.kind = theirs.kind AND ours.currency = theirs.currency
WHERE ours.reference IS NULL OR theirs.own_reference IS NULL
