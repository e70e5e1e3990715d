-- grain: one business day of which a file received since then says something
-- inputs: raw_file_parts
-- owner: finance
SELECT DISTINCT unnest(generate_series(day_from, day_to, INTERVAL 1 DAY))::DATE AS business_date
FROM raw_file_parts
WHERE received_at >= $since
