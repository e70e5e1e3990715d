-- grain: the last signed seal of the days up to the end of a period
-- inputs: proof_seals
-- owner: finance
SELECT
    number,
    day,
    entries_root AS root,
    hash
FROM proof_seals
WHERE day <= $end_date
    AND number IS NOT NULL
ORDER BY day DESC, part DESC
LIMIT 1
