-- grain: one group of expected movements and bank lines that name each other, with its outcome
-- inputs: recon_bank_members, in_due, in_through
-- owner: finance
WITH grouped AS (
    SELECT
        group_id,
        count(*) FILTER (side = 'expected') AS expected_count,
        count(*) FILTER (side = 'line') AS line_count,
        coalesce(sum(amount_minor) FILTER (side = 'expected'), 0)::BIGINT AS expected_minor,
        coalesce(sum(amount_minor) FILTER (side = 'line'), 0)::BIGINT AS actual_minor,
        coalesce(min(currency) FILTER (side = 'expected'), min(currency)) AS currency,
        count(DISTINCT currency) > 1 AS is_mixed,
        coalesce(min(day) FILTER (side = 'expected'), min(day)) AS day,
        max(day) FILTER (side = 'line') AS booked_on,
        max(day) FILTER (side = 'expected') AS expected_on,
        min(rail) AS rail,
        min(amount_minor) FILTER (side = 'expected') AS least_expected,
        max(amount_minor) FILTER (side = 'expected') AS most_expected,
        min(amount_minor) FILTER (side = 'line') AS least_line,
        max(amount_minor) FILTER (side = 'line') AS most_line,
        coalesce(min(rule), 'none') AS rule,
        coalesce(min(reference) FILTER (side = 'expected'), min(reference)) AS reference
    FROM recon_bank_members
    GROUP BY group_id
),

dated AS (
    SELECT
        grouped.*,
        own.bank_last AS last_in_window,
        $as_of::DATE IS NULL OR coalesce(heard.through >= own.bank_last, false) AS is_due
    FROM grouped
    LEFT JOIN in_due AS own ON own.rail IS NOT DISTINCT FROM grouped.rail AND own.day = grouped.expected_on
    LEFT JOIN in_through AS heard ON heard.source = '*bank'
)

SELECT
    * EXCLUDE (is_due, least_expected, most_expected, least_line, most_line),
    CASE
        WHEN expected_count = 0 THEN 'unexpected_credit'
        WHEN line_count = 0 AND expected_minor = 0 AND NOT is_mixed THEN 'matched'
        WHEN line_count = 0 AND is_due THEN 'missing_external'
        WHEN line_count = 0 THEN 'open'
        WHEN expected_minor <> actual_minor AND expected_count > 1
            AND least_expected = most_expected AND least_expected = actual_minor THEN 'duplicate_internal'
        WHEN expected_minor <> actual_minor AND line_count > 1
            AND least_line = most_line AND least_line = expected_minor THEN 'duplicate_external'
        WHEN is_mixed THEN 'currency_mismatch'
        WHEN expected_minor <> actual_minor THEN 'amount_mismatch'
        WHEN booked_on > last_in_window THEN 'timing'
        ELSE 'matched'
    END AS outcome
FROM dated
