-- grain: one part of another file that is about the same as a part of the file just stored
-- inputs: raw_file_parts
-- owner: finance
SELECT
    mine.subject,
    mine.kind,
    theirs.file_sha256 AS rival,
    theirs.standing,
    theirs.day_from,
    theirs.day_to,
    mine.issued_at < theirs.issued_at AS older,
    theirs.superseded_by
FROM raw_file_parts AS mine
INNER JOIN raw_file_parts AS theirs
    ON mine.subject = theirs.subject AND mine.file_sha256 <> theirs.file_sha256
WHERE mine.file_sha256 = $digest
    AND theirs.standing IN ('live', 'superseded')
ORDER BY mine.subject, theirs.received_at, theirs.file_sha256
