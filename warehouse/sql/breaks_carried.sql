-- grain: one break of a day too far back for the engine to look at again, that stood open at the
--   end of a day
-- inputs: recon_break_log
-- owner: finance
WITH told AS (
    SELECT *
    FROM recon_break_log
    WHERE business_date < $oldest
        -- A run of the next morning tells of the day before.
        AND coalesce(as_of, business_date) <= $as_of::DATE + 1
    QUALIFY row_number() OVER (PARTITION BY break_id ORDER BY generation DESC, state ASC) = 1
)

SELECT told.* REPLACE (told.break_id::VARCHAR AS break_id)
FROM told
WHERE told.state = 'open'
