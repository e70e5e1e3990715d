-- grain: one number: currencies and layers whose trial balance does not foot (0 is right)
-- inputs: mart_trial_balance
-- owner: finance
SELECT count(*) AS unbalanced
FROM (
    SELECT 1
    FROM mart_trial_balance
    WHERE business_date = $day
    GROUP BY currency, layer
    HAVING sum(closing_minor) <> 0
        OR sum(debit_minor) <> sum(credit_minor)
        OR sum(opening_minor) + sum(credit_minor) - sum(debit_minor) <> sum(closing_minor)
)
