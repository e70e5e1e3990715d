-- grain: one expected movement and one bank line; rail rows that name no settlement are listed
-- inputs: recon_bank_groups, recon_bank_members
-- owner: finance
SELECT
    matched.day AS business_date,
    'bank' AS side,
    matched.group_id,
    CASE WHEN line.no IS NULL THEN 'nothing_to_pay' ELSE matched.rule END AS rule,
    CASE WHEN expected.kind = 'payout' THEN expected.row_ids[1] END AS ledger_id,
    CASE WHEN expected.kind IN ('utr', 'rows') THEN array_to_string(expected.row_ids, ';') END AS rail_id,
    line.row_ids[1] AS bank_id,
    expected.settlement_id,
    expected.rail,
    expected.reference,
    -- Many settlements in one line: each its own amount. One in many lines: each line's.
    CASE WHEN matched.line_count > 1 THEN line.amount_minor ELSE expected.amount_minor END AS amount_minor,
    matched.currency,
    0::BIGINT AS residual_minor
FROM recon_bank_groups AS matched
INNER JOIN recon_bank_members AS expected
    ON matched.group_id = expected.group_id AND expected.side = 'expected'
LEFT JOIN recon_bank_members AS line
    ON matched.group_id = line.group_id AND line.side = 'line'
WHERE matched.outcome = 'matched' AND coalesce(matched.day = $day::DATE, true)
