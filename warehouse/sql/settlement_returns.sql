-- grain: one credit of the day on our bank account that is a payout of ours, sent back
-- inputs: stg_bank_lines, stg_payout_rows
-- owner: finance
-- The bank names the payout that it returns; what names none is an unexpected credit, and a break.
SELECT
    payout.reference AS attempt_id,
    line.amount_minor,
    line.booking_date AS returned_on,
    coalesce(line.utr, line.line_id) AS reference
FROM stg_bank_lines AS line
INNER JOIN (SELECT DISTINCT reference FROM stg_payout_rows) AS payout ON line.reference = payout.reference
WHERE line.booking_date = $day AND line.amount_minor > 0
ORDER BY payout.reference
