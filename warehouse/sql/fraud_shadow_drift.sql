-- grain: one row: how far a challenger's scores of its last week are from those it was measured on
-- inputs: fraud_drift
-- owner: data-science
SELECT week_psi
FROM fraud_drift
WHERE
    role = 'challenger'
    AND model_version = $version
    AND input = 'score'
    AND week_psi IS NOT NULL
ORDER BY business_date DESC, livemode DESC
LIMIT 1
