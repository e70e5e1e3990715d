-- grain: one break of the day that is there twice, or whose opening online would not hear of, or
--   that the log has as open though it is gone
-- inputs: recon_breaks, recon_break_log
-- owner: finance
WITH logged AS (
    SELECT
        break_id,
        arg_max(state, (generation, state = 'closed')) AS state
    FROM recon_break_log
    WHERE business_date = $day
    GROUP BY break_id
),

present AS (
    SELECT
        break_id,
        count(*) AS copies
    FROM recon_breaks
    WHERE business_date = $day
    GROUP BY break_id
)

SELECT
    coalesce(present.break_id, logged.break_id) AS break_id,
    coalesce(present.copies, 0) AS copies,
    coalesce(logged.state, 'never logged') AS logged_as
FROM present
FULL JOIN logged ON present.break_id = logged.break_id
WHERE present.copies > 1 OR (present.copies IS NOT NULL) <> (coalesce(logged.state, '') = 'open')
