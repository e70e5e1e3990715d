-- grain: one ledger row and its rail row
-- inputs: recon_rail_groups
-- owner: finance
SELECT
    day AS business_date,
    'rail' AS side,
    group_id,
    'reference' AS rule,
    ledger_id,
    rail_id,
    NULL::VARCHAR AS bank_id,
    NULL::VARCHAR AS settlement_id,
    rail,
    key AS reference,
    ledger_minor AS amount_minor,
    currency,
    (ledger_minor - rail_minor)::BIGINT AS residual_minor
FROM recon_rail_groups
WHERE outcome = 'matched' AND coalesce(day = $day::DATE, true)
