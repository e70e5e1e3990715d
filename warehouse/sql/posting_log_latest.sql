-- grain: one posting that the day once asked for, in its last state
-- inputs: posting_log
-- owner: finance
SELECT
    posting_key,
    generation,
    state,
    content
FROM posting_log
WHERE business_date = $day
QUALIFY row_number() OVER (PARTITION BY posting_key ORDER BY generation DESC, state DESC) = 1
