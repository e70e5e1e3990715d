-- grain: one bank line of a CSV file, as the engine reads it; `wrong` names a value it cannot read
-- inputs: file_bank (all text)
-- owner: finance
WITH typed AS (
    SELECT
        *,
        nullif(trim(line_id), '') AS row_id,
        try_cast(amount_minor AS BIGINT) AS amount,
        try_cast(value_date AS DATE) AS day,
        lower(trim(direction))[:1] AS sign
    FROM file_bank
)

SELECT
    row_id,
    CASE WHEN sign = 'd' THEN -abs(amount) WHEN sign = 'c' THEN abs(amount) ELSE amount END AS amount_minor,
    nullif(upper(trim(currency)), '') AS currency,
    day,
    nullif(trim(utr), '') AS utr,
    NULL::VARCHAR AS reference,
    nullif(trim(narrative), '') AS narrative,
    counterparty,
    CASE
        WHEN row_id IS NULL THEN 'line_id'
        WHEN amount IS NULL OR NOT regexp_full_match(typed.amount_minor, '\s*[+-]?[0-9]+\s*') THEN 'amount_minor'
        WHEN nullif(trim(typed.currency), '') IS NULL THEN 'currency'
        WHEN typed.day IS NULL AND value_date IS NOT NULL THEN 'value_date'
    END AS wrong,
    CASE wrong WHEN 'amount_minor' THEN typed.amount_minor WHEN 'value_date' THEN value_date END AS wrong_value
FROM typed
