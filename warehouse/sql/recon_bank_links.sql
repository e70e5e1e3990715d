-- grain: one bank line that names one expected movement, by the strongest name it uses
-- inputs: recon_bank_expected, in_bank
-- owner: finance
WITH expected_names AS (
    SELECT
        node,
        'utr' AS rule,
        ltrim(upper(utr), '0') AS name
    FROM recon_bank_expected
    WHERE utr IS NOT NULL
    UNION ALL
    SELECT
        node,
        'reference' AS rule,
        ltrim(upper(reference), '0') AS name
    FROM recon_bank_expected
    WHERE reference IS NOT NULL
    UNION ALL
    SELECT
        node,
        'settlement_id' AS rule,
        ltrim(upper(settlement_id), '0') AS name
    FROM recon_bank_expected
    WHERE settlement_id IS NOT NULL
),

-- Banks pad references with zeros, and glue narratives together with dashes or blanks.
line_names AS (
    SELECT
        row_id,
        1 AS strength,
        ltrim(upper(utr), '0') AS name
    FROM in_bank
    WHERE utr IS NOT NULL
    UNION ALL
    SELECT
        row_id,
        1 AS strength,
        ltrim(upper(reference), '0') AS name
    FROM in_bank
    WHERE reference IS NOT NULL
    UNION ALL
    SELECT
        row_id,
        2 AS strength,
        ltrim(unnest(list_distinct(list_concat(
            regexp_split_to_array(upper(narrative), '[^A-Z0-9_.-]+'),
            regexp_split_to_array(upper(narrative), '[^A-Z0-9_]+')
        ))), '0') AS name
    FROM in_bank
    WHERE narrative IS NOT NULL
),

named AS (
    SELECT
        line_names.row_id AS line_id,
        expected_names.node,
        expected_names.rule,
        line_names.strength
    FROM line_names
    INNER JOIN expected_names ON line_names.name = expected_names.name
    WHERE line_names.name <> ''
)

SELECT
    line_id,
    node,
    arg_min(rule, CASE rule WHEN 'utr' THEN 1 WHEN 'reference' THEN 2 ELSE 3 END) AS rule
FROM named
GROUP BY line_id, node, strength
-- A line that gives a reference of its own is not bound by what its narrative mentions besides.
QUALIFY strength = min(strength) OVER (PARTITION BY line_id)
