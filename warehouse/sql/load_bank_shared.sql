-- grain: one day of an account and another file that has it too: lines of ours, theirs, of both
-- inputs: raw_bank_lines, raw_file_parts
-- owner: finance
WITH sent AS (
    SELECT
        'bank/' || account || '/' || currency || '/' || booking_date AS subject,
        file_sha256,
        amount_minor,
        -- The same movement in two files: its reference and amount; without a reference, all that
        -- is said of it.
        coalesce(
            nullif(bank_reference, ''), nullif(reference, ''), value_date || ' ' || narrative
        ) AS known_as,
        count(*) AS copies
    FROM raw_bank_lines
    WHERE (file_sha256 = $digest OR list_contains($rivals, file_sha256))
        AND booking_date BETWEEN $first AND $last
        AND NOT pending
    GROUP BY ALL
),

both_have AS (
    SELECT
        theirs.subject,
        theirs.file_sha256 AS rival,
        sum(least(mine.copies, theirs.copies)) AS shared
    FROM sent AS theirs
    INNER JOIN sent AS mine
        ON theirs.subject = mine.subject
            AND theirs.amount_minor = mine.amount_minor
            AND theirs.known_as = mine.known_as
    WHERE theirs.file_sha256 <> $digest AND mine.file_sha256 = $digest
    GROUP BY theirs.subject, theirs.file_sha256
)

SELECT
    ours.subject,
    theirs.file_sha256 AS rival,
    ours.row_count AS ours,
    theirs.row_count AS theirs,
    coalesce(both_have.shared, 0)::BIGINT AS shared
FROM raw_file_parts AS ours
INNER JOIN raw_file_parts AS theirs
    ON ours.subject = theirs.subject AND list_contains($rivals, theirs.file_sha256)
LEFT JOIN both_have
    ON theirs.subject = both_have.subject AND theirs.file_sha256 = both_have.rival
WHERE ours.file_sha256 = $digest
