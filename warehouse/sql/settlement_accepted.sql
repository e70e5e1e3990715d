-- grain: one settlement of the day that online has accepted, as its books say
-- inputs: raw_events
-- owner: finance
WITH said AS (
    SELECT
        merchant_id,
        data ->> '$.currency' AS currency,
        (data ->> '$.gross')::BIGINT AS gross_minor,
        (data ->> '$.refunds')::BIGINT AS refunds_minor,
        coalesce((data ->> '$.disputes')::BIGINT, 0) AS disputes_minor,
        (data ->> '$.fees')::BIGINT AS fees_minor,
        (data ->> '$.tax')::BIGINT AS tax_minor,
        coalesce((data ->> '$.reserve_released')::BIGINT, 0) AS released_minor,
        (data ->> '$.net')::BIGINT AS net_minor,
        coalesce((data ->> '$.carried')::BIGINT, 0) AS carried_minor,
        coalesce((data ->> '$.reserve_due')::BIGINT, 0) AS reserve_minor,
        coalesce((data ->> '$.tds_due')::BIGINT, 0) AS tds_minor,
        coalesce((data ->> '$.payout')::BIGINT, greatest((data ->> '$.net')::BIGINT, 0)) AS payout_minor,
        (data ->> '$.carried_out')::BIGINT AS carried_out_minor,
        (data ->> '$.count')::BIGINT AS "count",
        (data ->> '$.starts_at')::TIMESTAMPTZ AS starts_at,
        (data ->> '$.ends_at')::TIMESTAMPTZ AS ends_at,
        (data ->> '$.pay_on')::DATE AS pay_on
    FROM raw_events
    WHERE event_type = 'settlement.created' AND (data ->> '$.business_date') = $day::DATE::VARCHAR
)

SELECT
    said.* EXCLUDE (ends_at, pay_on, carried_out_minor),
    $day AS business_date,
    carried_minor + net_minor - reserve_minor - tds_minor AS owed_minor,
    coalesce(carried_out_minor, least(net_minor, 0)) AS carried_out_minor,
    coalesce(ends_at, midnight($day + 1)) AS ends_at,
    coalesce(pay_on, $day) AS settle_on,
    true AS is_accepted
FROM said
