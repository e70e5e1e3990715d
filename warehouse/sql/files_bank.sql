-- grain: one bank line of a CSV file, as the engine reads it
-- inputs: file_bank (all text)
-- owner: finance
WITH typed AS (
    SELECT
        *,
        amount_minor::BIGINT AS amount,
        row_number() OVER (PARTITION BY line_id ORDER BY value_date, amount_minor, utr, narrative) AS copy
    FROM file_bank
)

SELECT
    line_id || repeat('~', copy::INTEGER - 1) AS row_id,
    CASE lower(direction)[:1] WHEN 'd' THEN -abs(amount) WHEN 'c' THEN abs(amount) ELSE amount END AS amount_minor,
    upper(currency) AS currency,
    value_date::DATE AS day,
    nullif(utr, '') AS utr,
    NULL::VARCHAR AS reference,
    nullif(narrative, '') AS narrative
FROM typed
