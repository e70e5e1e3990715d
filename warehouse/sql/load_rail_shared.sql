-- grain: one settlement and another file that has it too: rows of ours, theirs, and of both
-- inputs: raw_rail_rows, raw_file_parts
-- owner: finance
WITH sent AS (
    SELECT
        'rail/' || rail || '/' || settlement_id AS subject,
        file_sha256,
        rail,
        settlement_id,
        settled_on,
        txn_time,
        rrn,
        network_ref,
        order_ref,
        row_type,
        status,
        currency,
        gross_minor,
        fee_minor,
        tax_minor,
        net_minor,
        utr,
        count(*) AS copies
    FROM raw_rail_rows
    WHERE (file_sha256 = $digest OR list_contains($rivals, file_sha256))
        AND settled_on BETWEEN $first AND $last
        AND status <> 'UNSETTLED'
    GROUP BY ALL
),

mine AS (SELECT * EXCLUDE (file_sha256) FROM sent WHERE file_sha256 = $digest),

both_have AS (
    SELECT
        theirs.subject,
        theirs.file_sha256 AS rival,
        sum(least(mine.copies, theirs.copies)) AS shared
    FROM sent AS theirs
    INNER JOIN mine
        ON theirs.subject = mine.subject
            AND theirs.settled_on = mine.settled_on
            AND theirs.txn_time IS NOT DISTINCT FROM mine.txn_time
            AND theirs.rrn = mine.rrn
            AND theirs.network_ref = mine.network_ref
            AND theirs.order_ref = mine.order_ref
            AND theirs.row_type = mine.row_type
            AND theirs.status = mine.status
            AND theirs.currency = mine.currency
            AND theirs.gross_minor = mine.gross_minor
            AND theirs.fee_minor = mine.fee_minor
            AND theirs.tax_minor = mine.tax_minor
            AND theirs.net_minor = mine.net_minor
            AND theirs.utr = mine.utr
    WHERE theirs.file_sha256 <> $digest
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
