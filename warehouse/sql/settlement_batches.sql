-- grain: one merchant, currency and business day
-- inputs: settlement_lines, raw_merchants
-- owner: finance
SELECT
    line.merchant_id,
    line.business_date,
    line.currency,
    sum(line.gross_minor)::BIGINT AS gross_minor,
    sum(line.refund_minor)::BIGINT AS refunds_minor,
    sum(line.dispute_minor)::BIGINT AS disputes_minor,
    sum(line.fee_minor)::BIGINT AS fees_minor,
    sum(line.tax_minor)::BIGINT AS tax_minor,
    0::BIGINT AS reserve_minor,
    sum(line.net_minor)::BIGINT AS net_minor,
    count(*) AS "count",
    $day + coalesce(any_value(merchant.settlement_days), 1) AS settle_on
FROM settlement_lines AS line
LEFT JOIN raw_merchants AS merchant ON line.merchant_id = merchant.id
WHERE line.business_date = $day
GROUP BY line.merchant_id, line.business_date, line.currency
