-- grain: one name by which a bank line may mean an expected movement (leading zeros are padding)
-- inputs: recon_bank_expected
-- owner: finance
WITH named AS (
    SELECT
        node,
        'utr' AS rule,
        unnest(utrs) AS stated
    FROM recon_bank_expected
    UNION ALL
    SELECT
        node,
        'reference' AS rule,
        reference AS stated
    FROM recon_bank_expected
    WHERE kind = 'payout'
    UNION ALL
    SELECT
        node,
        'settlement_id' AS rule,
        settlement_id AS stated
    FROM recon_bank_expected
)

SELECT
    node,
    rule,
    list_position($rules, rule) AS strength,
    ltrim(upper(stated), '0') AS name,
    -- A short word or number may stand in any narrative.
    length(name) >= 6 OR regexp_matches(name, '[0-9]') AND regexp_matches(name, '[^0-9]') AS is_telling
FROM named
WHERE strength IS NOT NULL AND name <> ''
