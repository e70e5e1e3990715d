-- grain: one input of a model version in a role on the newest watched day that has a number
-- inputs: fraud_drift
-- owner: data-science
SELECT
    livemode,
    role,
    model_version,
    input,
    week_psi
FROM fraud_drift
WHERE business_date = (SELECT max(business_date) FROM fraud_watch) AND week_psi IS NOT NULL
ORDER BY livemode, role, model_version, input
