-- grain: one file whose rows are not all there, or which was quarantined and has rows nevertheless
-- inputs: raw_bank_files, raw_rail_rows, raw_bank_lines, raw_dispute_rows
-- owner: finance
WITH held AS (
    SELECT file_sha256 FROM raw_rail_rows
    UNION ALL
    SELECT file_sha256 FROM raw_bank_lines
    UNION ALL
    SELECT file_sha256 FROM raw_dispute_rows
),

counted AS (
    SELECT
        file_sha256,
        count(*) AS rows_held
    FROM held
    GROUP BY file_sha256
)

SELECT
    file.name,
    file.status,
    file.row_count,
    coalesce(counted.rows_held, 0) AS rows_held
FROM raw_bank_files AS file
FULL JOIN counted ON file.file_sha256 = counted.file_sha256
WHERE coalesce(file.row_count, 0) <> coalesce(counted.rows_held, 0)
    OR (file.status IS DISTINCT FROM 'loaded' AND counted.rows_held > 0)
