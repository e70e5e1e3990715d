-- grain: one attempt that took money, with the source of its funds, of rails whose contract asks for it
-- inputs: raw_events, rail_rates (temporary)
-- owner: finance
SELECT
    data ->> '$.attempt_id' AS reference,
    any_value(data ->> '$.funding') AS funding
FROM raw_events
WHERE event_type IN ('payment.captured', 'top_up.succeeded')
    AND (data ->> '$.rail') IN (SELECT rail FROM rail_rates WHERE funding IS NOT NULL)
    -- What settles on the day was captured in the weeks before it.
    AND "timestamp" BETWEEN $day::TIMESTAMP - INTERVAL 60 DAY AND $day::TIMESTAMP + INTERVAL 2 DAY
GROUP BY ALL
