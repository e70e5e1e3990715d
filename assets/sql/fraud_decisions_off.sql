-- grain: one decision whose factors do not add up to its score, or that its score did not lead to
-- inputs: fraud_decisions
-- owner: data-science
SELECT
    payment_id,
    score,
    factors_sum,
    decision,
    review_at,
    block_at,
    failure
FROM fraud_decisions
WHERE business_date = $day
    AND (
        score <> factors_sum
        OR score NOT BETWEEN 0 AND 100
        -- Where the engine was late or broken, the merchant's failure mode decided.
        OR (failure IS NULL AND (decision = 'block') <> (score >= block_at))
        OR (failure IS NULL AND (decision IN ('review', 'block')) <> (score >= least(review_at, block_at)))
    )
ORDER BY payment_id
