-- grain: one break of the day, as the log last told of it
-- inputs: recon_break_log
-- owner: finance
SELECT *
FROM recon_break_log
WHERE business_date = $day
QUALIFY row_number() OVER (PARTITION BY break_id ORDER BY generation DESC, state ASC) = 1
