-- grain: one bank line's share in a match of the day
-- inputs: recon_matches, stg_bank_lines
-- owner: finance
SELECT
    line.line_id,
    found.rail,
    found.settlement_id,
    found.reference,
    found.amount_minor,
    found.currency,
    line.booking_date AS booked_on,
    line.account
FROM recon_matches AS found
INNER JOIN stg_bank_lines AS line ON found.bank_id = line.line_id
WHERE found.business_date = $day AND found.side = 'bank'
ORDER BY line.line_id, found.settlement_id, found.reference
