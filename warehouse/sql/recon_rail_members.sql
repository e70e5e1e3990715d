-- grain: one ledger or rail row that did not agree in everything at once, with the part of its
--   reference, type and currency that it is accounted for with
-- inputs: recon_left_ledger, recon_left_rail
-- owner: finance
WITH rows_left AS (
    SELECT
        'ledger' AS input,
        no,
        row_id,
        key,
        group_kind AS kind,
        currency,
        reference,
        payment_id,
        CASE WHEN is_charge THEN kind END AS charge,
        amount_minor,
        status,
        rail,
        day,
        due_on,
        NULL::VARCHAR AS rule,
        NULL::BIGINT AS fee_minor,
        NULL::BIGINT AS tax_minor,
        NULL::BIGINT AS right_fee_minor,
        NULL::BIGINT AS right_tax_minor
    FROM recon_left_ledger
    UNION ALL BY NAME
    SELECT
        'rail' AS input,
        no,
        row_id,
        key,
        kind,
        currency,
        reference,
        gross_minor AS amount_minor,
        status,
        rail,
        day,
        rule,
        fee_minor,
        tax_minor,
        right_fee_minor,
        right_tax_minor
    FROM recon_left_rail
),

-- The first of ours with an amount goes with the first of theirs, the second with the second.
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY key, kind, currency, amount_minor, input
            ORDER BY row_id, day, status, payment_id, fee_minor, tax_minor, no
        ) AS nth,
        count(*) FILTER (input = 'ledger') OVER same_amount AS ledger_same,
        count(*) FILTER (input = 'rail') OVER same_amount AS rail_same
    FROM rows_left
    WHERE charge IS NULL
    WINDOW same_amount AS (PARTITION BY key, kind, currency, amount_minor)
),

paired AS (
    SELECT
        *,
        nth <= least(ledger_same, rail_same) AS is_paired,
        count(*) FILTER (input = 'ledger' AND NOT is_paired) OVER same_key AS ledger_rest,
        count(*) FILTER (input = 'rail' AND NOT is_paired) OVER same_key AS rail_rest
    FROM numbered
    WINDOW same_key AS (PARTITION BY key, kind, currency)
),

placed AS (
    SELECT
        * EXCLUDE (nth, ledger_same, rail_same, is_paired, ledger_rest, rail_rest),
        CASE
            -- One side has an amount more often than the other, and nothing to set against it.
            WHEN (ledger_rest = 0 OR rail_rest = 0) AND ledger_same > 0 AND rail_same > 0
                AND ledger_same <> rail_same THEN 'copies of ' || amount_minor
            WHEN is_paired THEN 'pair ' || nth || ' of ' || amount_minor
            ELSE 'rest'
        END AS part
    FROM paired
)

SELECT * FROM placed
UNION ALL BY NAME
SELECT
    charges.* REPLACE (CASE WHEN first_part.parts > 1 THEN 'of several' ELSE charge END AS charge),
    -- A reference's charges go with its first part; whose of several they are is not known.
    coalesce(first_part.part, 'rest') AS part
FROM rows_left AS charges
LEFT JOIN (
    SELECT
        key,
        kind,
        currency,
        min(part) AS part,
        count(DISTINCT part) AS parts
    FROM placed
    GROUP BY key, kind, currency
) AS first_part
    ON charges.key = first_part.key AND charges.kind = first_part.kind AND charges.currency = first_part.currency
WHERE charges.charge IS NOT NULL
