-- grain: one ledger row and its rail row, of those that did not agree in everything at once
-- inputs: recon_rail_groups, recon_rail_parts, recon_rail_members
-- owner: finance
WITH members AS (
    SELECT
        parts.group_id,
        member.*,
        row_number() OVER (PARTITION BY parts.group_id, input ORDER BY row_id, member.no) AS nth
    FROM recon_rail_members AS member
    INNER JOIN recon_rail_parts AS parts
        ON member.key = parts.key AND member.kind = parts.kind
        AND member.currency = parts.currency AND member.part = parts.part
)

SELECT
    matched.day AS business_date,
    'rail' AS side,
    matched.group_id,
    CASE
        WHEN ledger.charge IS NOT NULL THEN 'charge'
        WHEN matched.rule IS NOT NULL THEN matched.rule
        WHEN matched.ledger_copies > 1 THEN $many_to_one
        WHEN matched.rail_copies > 1 THEN $one_to_many
        WHEN matched.gap_minor <> 0 THEN $tolerated
        ELSE $exact
    END AS rule,
    ledger.row_id AS ledger_id,
    rail.row_id AS rail_id,
    NULL::VARCHAR AS bank_id,
    NULL::VARCHAR AS settlement_id,
    matched.rail,
    coalesce(ledger.reference, rail.reference) AS reference,
    CASE WHEN matched.rail_copies > 1 AND ledger.charge IS NULL THEN rail.amount_minor ELSE ledger.amount_minor END
        AS amount_minor,
    matched.currency,
    CASE WHEN ledger.charge IS NULL AND rail.nth = 1 AND ledger.nth = 1 THEN matched.gap_minor ELSE 0 END::BIGINT
        AS residual_minor
FROM recon_rail_groups AS matched
INNER JOIN members AS ledger ON matched.group_id = ledger.group_id AND ledger.input = 'ledger'
INNER JOIN members AS rail
    ON matched.group_id = rail.group_id AND rail.input = 'rail' AND (ledger.charge IS NULL OR rail.nth = 1)
WHERE matched.outcome = 'matched' AND coalesce(matched.day = $day::DATE, true)
