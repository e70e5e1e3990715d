-- grain: one expected movement or bank line, with the group it belongs to
-- inputs: recon_bank_expected, in_bank, recon_bank_links, recon_bank_labels
-- owner: finance
WITH members AS (
    SELECT
        coalesce(label.label, 2 * expected.node) AS label,
        'expected' AS side,
        expected.node AS no,
        expected.row_ids,
        expected.amount_minor,
        expected.currency,
        expected.day,
        expected.rail,
        NULL::VARCHAR AS rule,
        expected.reference,
        expected.settlement_id,
        expected.kind
    FROM recon_bank_expected AS expected
    LEFT JOIN recon_bank_labels AS label ON label.node = 2 * expected.node
    UNION ALL
    SELECT
        coalesce(label.label, 2 * line.rowid + 1) AS label,
        'line' AS side,
        line.rowid AS no,
        [line.row_id] AS row_ids,
        line.amount_minor,
        line.currency,
        line.day,
        NULL AS rail,
        best.rule,
        coalesce(line.utr, line.reference) AS reference,
        NULL AS settlement_id,
        'line' AS kind
    FROM in_bank AS line
    LEFT JOIN recon_bank_labels AS label ON label.node = 2 * line.rowid + 1
    LEFT JOIN (
        SELECT
            line_no,
            min(rule) AS rule
        FROM recon_bank_links
        GROUP BY line_no
    ) AS best ON line.rowid = best.line_no
),

-- Labels number rows as they came; groups are known by what is in them.
told AS (
    SELECT
        label,
        string_agg(row_ids[1], ';' ORDER BY row_ids[1]) AS story,
        sum(amount_minor) AS amount_minor
    FROM members
    GROUP BY label
),

named AS (
    SELECT
        label,
        md5(concat_ws('|', story, row_number() OVER (PARTITION BY story ORDER BY amount_minor, label))) AS group_id
    FROM told
)

SELECT
    named.group_id,
    members.* EXCLUDE (label)
FROM members
INNER JOIN named ON members.label = named.label
