-- grain: one day with tries whose outcome was not known when it was made, and of which more is known now
-- inputs: raw_events, route_decisions
-- owner: data-science
SELECT DISTINCT decided.business_date
FROM route_decisions AS decided
INNER JOIN raw_events AS heard
    ON decided.attempt_id = heard.aggregate_id
    AND heard."timestamp" > coalesce(decided.outcome_at, decided.decided_at)
WHERE decided.business_date >= $day - $lookback_days::INTEGER
    AND heard.aggregate_type = 'attempt'
    AND heard.event_type <> 'attempt.sent'
    AND heard."timestamp" >= midnight($day - $lookback_days::INTEGER)
ORDER BY decided.business_date
