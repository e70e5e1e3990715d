-- grain: one ledger row of a CSV file, as the engine reads it
-- inputs: file_ledger (all text)
-- owner: finance
WITH typed AS (
    SELECT
        *,
        CASE lower(kind) WHEN 'payment' THEN 'capture' WHEN 'dispute_lost' THEN 'chargeback' ELSE lower(kind) END
            AS row_type,
        abs(amount_minor::BIGINT) AS size_minor,
        occurred_at::TIMESTAMPTZ AS at_time,
        row_number() OVER (PARTITION BY entry_id ORDER BY reference, amount_minor, occurred_at) AS copy
    FROM file_ledger
)

SELECT
    entry_id || repeat('~', copy::INTEGER - 1) AS row_id,
    coalesce(nullif(reference, ''), 'ledger ' || row_id) AS key,
    row_type AS kind,
    nullif(reference, '') AS reference,
    nullif(payment_id, '') AS payment_id,
    CASE WHEN row_type LIKE 'refund%' OR row_type IN ('reversal', 'chargeback') THEN -size_minor ELSE size_minor END
        AS amount_minor,
    upper(currency) AS currency,
    status,
    nullif(route, '') AS rail,
    (at_time + INTERVAL 330 MINUTE)::DATE AS day,
    (at_time + INTERVAL 510 MINUTE - INTERVAL 1 MICROSECOND)::DATE AS due_on
FROM typed
