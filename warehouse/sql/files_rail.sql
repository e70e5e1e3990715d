-- grain: one rail row of a CSV file, as the engine reads it
-- inputs: file_rail (all text)
-- owner: finance
WITH typed AS (
    SELECT
        *,
        CASE lower("type") WHEN 'payment' THEN 'capture' WHEN 'pay' THEN 'capture' ELSE lower("type") END AS row_type,
        gross_minor::BIGINT AS gross,
        coalesce(nullif(fee_minor, ''), '0')::BIGINT AS fee,
        coalesce(nullif(tax_minor, ''), '0')::BIGINT AS tax,
        net_minor::BIGINT AS net,
        row_type LIKE 'refund%' OR row_type IN ('reversal', 'chargeback') AS is_debit,
        row_number() OVER (
            PARTITION BY rail_ref ORDER BY reference, gross_minor, settled_on, settlement_id, utr
        ) AS copy
    FROM file_rail
)

SELECT
    rail_ref || repeat('~', copy::INTEGER - 1) AS row_id,
    coalesce(nullif(reference, ''), nullif(order_id, ''), 'rail ' || row_id) AS key,
    row_type AS kind,
    coalesce(nullif(reference, ''), nullif(order_id, '')) AS reference,
    CASE WHEN is_debit THEN -abs(gross) ELSE gross END AS gross_minor,
    -- A reversal written as a positive amount gives back what it writes as charges.
    CASE WHEN row_type = 'reversal' AND gross > 0 THEN -fee ELSE fee END AS fee_minor,
    CASE WHEN row_type = 'reversal' AND gross > 0 THEN -tax ELSE tax END AS tax_minor,
    -- A debit written as a positive amount still lowers what the rail pays.
    CASE WHEN is_debit AND gross > 0 THEN -net ELSE net END AS net_minor,
    upper(currency) AS currency,
    status,
    NULL::VARCHAR AS rail,
    nullif(settled_on, '')::DATE AS day,
    nullif(settlement_id, '') AS settlement_id,
    nullif(utr, '') AS utr
FROM typed
