-- grain: one model version in a role on the newest watched day, with four weeks of labels
-- inputs: fraud_watch
-- owner: data-science
WITH newest AS (
    SELECT
        *,
        reviewed + blocked AS alerts
    FROM fraud_watch
    WHERE business_date = (SELECT max(business_date) FROM fraud_watch)
),

weeks AS (
    SELECT
        livemode,
        role,
        model_version,
        sum(reviewed + blocked)::BIGINT AS alerts,
        sum(alerts_known)::BIGINT AS alerts_known,
        sum(alerts_fraud)::BIGINT AS alerts_fraud,
        sum(passed_fraud)::BIGINT AS passed_fraud
    FROM fraud_watch
    WHERE business_date > (SELECT max(business_date) FROM fraud_watch) - 28
    GROUP BY ALL
)

SELECT
    newest.* EXCLUDE (alerts, alerts_known, alerts_fraud, passed_fraud),
    weeks.alerts,
    weeks.alerts_known,
    weeks.alerts_fraud,
    weeks.passed_fraud
FROM newest
INNER JOIN weeks
    ON newest.livemode = weeks.livemode
    AND newest.role = weeks.role
    AND newest.model_version = weeks.model_version
ORDER BY newest.livemode, newest.role, newest.model_version
