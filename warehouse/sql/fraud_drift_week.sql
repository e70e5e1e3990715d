-- grain: one input of a model version in a role over the days of a week before the day, in bins
-- inputs: fraud_drift
-- owner: data-science
WITH binned AS (
    SELECT
        livemode,
        role,
        model_version,
        input,
        unnest(counts) AS "rows",
        generate_subscripts(counts, 1) AS bin
    FROM fraud_drift
    WHERE business_date BETWEEN $day - 6 AND $day - 1
),

summed AS (
    SELECT
        livemode,
        role,
        model_version,
        input,
        bin,
        sum("rows")::BIGINT AS "rows"
    FROM binned
    GROUP BY ALL
)

SELECT
    livemode,
    role,
    model_version,
    input,
    list("rows" ORDER BY bin) AS counts
FROM summed
GROUP BY ALL
