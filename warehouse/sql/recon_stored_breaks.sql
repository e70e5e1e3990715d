-- grain: one break with its id: the hash of its kind and of the ids of its rows
-- inputs: recon_all_breaks
-- owner: finance
WITH told AS (
    SELECT
        *,
        concat_ws(chr(31), kind, array_to_string(row_ids, chr(31))) AS story,
        -- Files may give one id to two rows: the second break of the same ids is another break.
        row_number() OVER (
            PARTITION BY story
            ORDER BY side, reference, row_type, currency, expected_minor, actual_minor, business_date, reason
        ) AS nth
    FROM recon_all_breaks
)

SELECT
    md5(CASE WHEN nth = 1 THEN story ELSE concat_ws(chr(31), story, nth) END)::UUID AS break_id,
    * EXCLUDE (story, nth, group_id)
FROM told
