-- grain: one booked bank line, around the day
-- inputs: stg_bank_lines
-- owner: finance
SELECT
    line_id AS row_id,
    account,
    amount_minor,
    currency,
    booking_date AS day,
    utr,
    reference,
    narrative,
    NULL::VARCHAR AS counterparty
FROM stg_bank_lines
WHERE booking_date BETWEEN $day - $lookback_days::INTEGER AND $day + $lookback_days::INTEGER
