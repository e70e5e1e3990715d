-- grain: one rail row of a CSV file, as the engine reads it; `wrong` names a value it cannot read
-- inputs: file_rail (all text), in_words, in_debits
-- owner: finance
WITH typed AS (
    SELECT
        rail_ref AS row_id,
        coalesce(kinds.meaning, lower(file_rail."type"), '') AS kind,
        order_id,
        coalesce(file_rail.reference, order_id) AS reference,
        file_rail.reference IS NULL AS is_unnamed,
        try_cast(gross_minor AS BIGINT) AS gross,
        coalesce(try_cast(fee_minor AS BIGINT), 0) AS fee,
        coalesce(try_cast(tax_minor AS BIGINT), 0) AS tax,
        coalesce(try_cast(net_minor AS BIGINT), gross - fee - tax) AS net,
        upper(trim(currency)) AS currency,
        CASE
            WHEN kind = 'reversal' AND statuses.word = 'reversed' THEN 'success'
            ELSE coalesce(statuses.meaning, lower(trim(file_rail.status)), 'success')
        END AS status,
        try_cast(settled_on AS DATE) AS day,
        settlement_id,
        utr,
        counterparty,
        kind IN (SELECT kind FROM in_debits) AS is_debit,
        CASE
            WHEN row_id IS NULL THEN 'rail_ref'
            WHEN gross IS NULL OR NOT regexp_full_match(gross_minor, '\s*[+-]?[0-9]+\s*') THEN 'gross_minor'
            WHEN NOT regexp_full_match(fee_minor, '\s*[+-]?[0-9]+\s*')
                OR fee_minor IS NOT NULL AND try_cast(fee_minor AS BIGINT) IS NULL THEN 'fee_minor'
            WHEN NOT regexp_full_match(tax_minor, '\s*[+-]?[0-9]+\s*')
                OR tax_minor IS NOT NULL AND try_cast(tax_minor AS BIGINT) IS NULL THEN 'tax_minor'
            WHEN NOT regexp_full_match(net_minor, '\s*[+-]?[0-9]+\s*')
                OR net_minor IS NOT NULL AND try_cast(net_minor AS BIGINT) IS NULL THEN 'net_minor'
            WHEN currency IS NULL THEN 'currency'
            WHEN day IS NULL AND settled_on IS NOT NULL THEN 'settled_on'
        END AS wrong,
        CASE wrong
            WHEN 'gross_minor' THEN gross_minor WHEN 'fee_minor' THEN fee_minor WHEN 'tax_minor' THEN tax_minor
            WHEN 'net_minor' THEN net_minor WHEN 'settled_on' THEN settled_on
        END AS wrong_value
    FROM file_rail
    LEFT JOIN in_words AS kinds ON kinds.sort = 'kind' AND kinds.word = lower(file_rail."type")
    LEFT JOIN in_words AS statuses ON statuses.sort = 'status' AND statuses.word = lower(file_rail.status)
)

SELECT
    row_id,
    kind,
    -- Most files give one name twice: an order id that adds nothing is left out.
    CASE WHEN is_unnamed OR order_id <> reference THEN order_id END AS order_id,
    reference,
    CASE WHEN is_debit THEN -abs(gross) ELSE gross END AS gross_minor,
    -- A debit written as a positive amount lowers what the rail pays all the same; whether its
    -- charges are taken or given back is what its net says, else a reversal gives them back.
    CASE
        WHEN NOT is_debit OR gross < 0 OR gross + fee + tax = abs(net) THEN fee
        WHEN gross - fee - tax = abs(net) OR kind = 'reversal' THEN -fee
        ELSE fee
    END AS fee_minor,
    CASE
        WHEN NOT is_debit OR gross < 0 OR gross + fee + tax = abs(net) THEN tax
        WHEN gross - fee - tax = abs(net) OR kind = 'reversal' THEN -tax
        ELSE tax
    END AS tax_minor,
    CASE WHEN is_debit AND gross > 0 THEN -abs(net) ELSE net END AS net_minor,
    currency,
    status,
    NULL::VARCHAR AS rail,
    day,
    settlement_id,
    utr,
    counterparty,
    hash(reference, kind, currency) AS place,
    wrong,
    wrong_value
FROM typed
