-- grain: one champion whose score drifts on the newest day it was watched, with the day on which that began
-- inputs: fraud_drift
-- owner: data-science
WITH daily AS (
    SELECT
        livemode,
        model_version,
        business_date,
        verdict = 'drifted' AS drifted
    FROM fraud_drift
    WHERE role = 'champion' AND input = 'score'
),

newest AS (
    SELECT
        livemode,
        max_by(model_version, business_date) AS model_version,
        max(business_date) AS business_date
    FROM daily
    GROUP BY livemode
),

-- The last day on which it did not drift ends an older episode.
steady AS (
    SELECT
        livemode,
        model_version,
        max(business_date) AS business_date
    FROM daily
    WHERE NOT drifted
    GROUP BY ALL
)

SELECT
    daily.livemode,
    daily.model_version,
    min(daily.business_date) AS since
FROM daily
INNER JOIN newest ON daily.livemode = newest.livemode AND daily.model_version = newest.model_version
LEFT JOIN steady ON daily.livemode = steady.livemode AND daily.model_version = steady.model_version
WHERE daily.drifted AND (steady.business_date IS NULL OR daily.business_date > steady.business_date)
GROUP BY ALL
ORDER BY daily.livemode, daily.model_version
