-- grain: one expected movement and one bank line of a match group
-- inputs: recon_bank_groups, recon_bank_members
-- owner: finance
SELECT
    matched.day AS business_date,
    'bank' AS side,
    matched.group_id,
    CASE WHEN line.row_id IS NULL THEN 'nothing_to_pay' ELSE matched.rule END AS rule,
    CASE WHEN expected.settlement_id IS NULL THEN expected.row_id END AS ledger_id,
    NULL::VARCHAR AS rail_id,
    line.row_id AS bank_id,
    expected.settlement_id,
    expected.rail,
    expected.reference,
    -- Many settlements in one line: each its own amount. One in many lines: each line's.
    CASE WHEN matched.line_count > 1 THEN line.amount_minor ELSE expected.amount_minor END AS amount_minor,
    matched.currency,
    (matched.expected_minor - matched.actual_minor)::BIGINT AS residual_minor
FROM recon_bank_groups AS matched
INNER JOIN recon_bank_members AS expected
    ON matched.group_id = expected.group_id AND expected.side = 'expected'
LEFT JOIN recon_bank_members AS line
    ON matched.group_id = line.group_id AND line.side = 'line'
WHERE matched.outcome = 'matched' AND coalesce(matched.day = $day::DATE, true)
