-- grain: one match of a ledger row and a rail row, or of an expected movement and a bank line
-- inputs: recon_exact, recon_other_matches
-- owner: finance
SELECT
    business_date,
    'rail' AS side,
    -- A reference that each side has once is a group of its own.
    NULL::VARCHAR AS group_id,
    rule,
    ledger_id,
    rail_id,
    NULL::VARCHAR AS bank_id,
    NULL::VARCHAR AS settlement_id,
    rail,
    reference,
    amount_minor,
    currency,
    0::BIGINT AS residual_minor
FROM recon_exact
WHERE is_stored
UNION ALL
SELECT * FROM recon_other_matches
