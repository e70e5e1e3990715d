-- grain: one expected movement or bank line, with the group it belongs to
-- inputs: recon_bank_expected, in_bank, recon_bank_links, recon_bank_labels
-- owner: finance
SELECT
    md5(coalesce(label.label, 'E ' || expected.node)) AS group_id,
    'expected' AS side,
    expected.row_id,
    expected.amount_minor,
    expected.currency,
    expected.is_mixed,
    expected.day,
    expected.rail,
    NULL::VARCHAR AS rule,
    coalesce(expected.settlement_id, expected.reference) AS reference,
    expected.settlement_id
FROM recon_bank_expected AS expected
LEFT JOIN recon_bank_labels AS label ON label.node = 'E ' || expected.node
UNION ALL
SELECT
    md5(coalesce(label.label, 'L ' || line.row_id)) AS group_id,
    'line' AS side,
    line.row_id,
    line.amount_minor,
    line.currency,
    false AS is_mixed,
    line.day,
    NULL AS rail,
    best.rule,
    coalesce(line.utr, line.reference) AS reference,
    NULL AS settlement_id
FROM in_bank AS line
LEFT JOIN recon_bank_labels AS label ON label.node = 'L ' || line.row_id
LEFT JOIN (
    SELECT
        line_id,
        min(rule) AS rule
    FROM recon_bank_links
    GROUP BY line_id
) AS best ON line.row_id = best.line_id
