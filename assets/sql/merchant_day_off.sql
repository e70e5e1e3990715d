-- grain: one currency in which the merchants' day does not add up to the settlement lines
-- inputs: mart_merchant_day, settlement_lines
-- owner: finance
WITH mart AS (
    SELECT
        currency,
        sum(refunds_minor)::BIGINT AS refunds_minor,
        sum(disputes_minor)::BIGINT AS disputes_minor,
        sum(net_minor)::BIGINT AS net_minor
    FROM mart_merchant_day
    WHERE business_date = $day
    GROUP BY currency
),

line AS (
    SELECT
        currency,
        sum(refund_minor)::BIGINT AS refund_minor,
        sum(dispute_minor)::BIGINT AS dispute_minor,
        sum(net_minor)::BIGINT AS lines_minor
    FROM settlement_lines
    WHERE business_date = $day
    GROUP BY currency
)

SELECT
    currency,
    refunds_minor,
    refund_minor,
    disputes_minor,
    dispute_minor,
    net_minor,
    lines_minor
FROM mart
FULL JOIN line USING (currency)
WHERE coalesce(refunds_minor, 0) <> coalesce(refund_minor, 0)
    OR coalesce(disputes_minor, 0) <> coalesce(dispute_minor, 0)
    OR coalesce(net_minor, 0) <> coalesce(lines_minor, 0)
