-- grain: one value of one decision that is not as it is replayed; or what its record lacks
-- inputs: parity_decisions, parity_compared (number, payment_id, at_us, served), parity_replayed
--   (number, replayed)
-- owner: data-science
WITH unequal AS (
    SELECT
        seen.payment_id,
        seen.at_us,
        generate_subscripts(again.replayed, 1) AS place,
        unnest($names::VARCHAR[]) AS feature,
        unnest(seen.served) AS served,
        unnest(again.replayed) AS replayed
    FROM parity_compared AS seen
    INNER JOIN parity_replayed AS again ON seen.number = again.number
    WHERE seen.served IS DISTINCT FROM again.replayed
)

SELECT * FROM unequal
WHERE served IS DISTINCT FROM replayed
UNION ALL
SELECT
    payment_id,
    at_us,
    0 AS place,
    fault AS feature,
    CASE WHEN fault = 'snapshot' THEN snapshot END AS served,
    NULL AS replayed
FROM parity_decisions
WHERE left_out IS NULL AND fault IS NOT NULL
