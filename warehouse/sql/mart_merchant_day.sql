-- grain: one merchant, currency and business day
-- inputs: stg_payments, settlement_lines, raw_merchants
-- owner: finance
WITH payment AS (
    SELECT
        merchant_id,
        currency,
        count(*) AS payments,
        count(*) FILTER (captured_minor > 0) AS captured,
        sum(captured_minor)::BIGINT AS captured_minor,
        count(*) FILTER (state = 'failed') AS declined,
        count(*) FILTER (state = 'unknown') AS unknown
    FROM stg_payments
    WHERE business_date = $day
    GROUP BY merchant_id, currency
),

money AS (
    SELECT
        merchant_id,
        currency,
        count(*) FILTER (refund_minor <> 0) AS refunds,
        sum(refund_minor)::BIGINT AS refunds_minor,
        -coalesce(sum(gross_minor) FILTER (kind = 'reversal'), 0)::BIGINT AS reversed_minor,
        sum(dispute_minor)::BIGINT AS disputes_minor,
        sum(fee_minor)::BIGINT AS fees_minor,
        sum(tax_minor)::BIGINT AS tax_minor,
        sum(net_minor)::BIGINT AS net_minor
    FROM settlement_lines
    WHERE business_date = $day
    GROUP BY merchant_id, currency
)

SELECT
    $day AS business_date,
    coalesce(payment.merchant_id, money.merchant_id) AS merchant_id,
    merchant.name AS merchant_name,
    coalesce(payment.currency, money.currency) AS currency,
    coalesce(payment.payments, 0) AS payments,
    coalesce(payment.captured, 0) AS captured,
    coalesce(payment.captured_minor, 0) AS captured_minor,
    coalesce(payment.declined, 0) AS declined,
    coalesce(payment.unknown, 0) AS unknown,
    coalesce(money.refunds, 0) AS refunds,
    coalesce(money.refunds_minor, 0) AS refunds_minor,
    coalesce(money.reversed_minor, 0) AS reversed_minor,
    coalesce(money.disputes_minor, 0) AS disputes_minor,
    coalesce(money.fees_minor, 0) AS fees_minor,
    coalesce(money.tax_minor, 0) AS tax_minor,
    coalesce(money.net_minor, 0) AS net_minor
FROM payment
FULL JOIN money ON payment.merchant_id = money.merchant_id AND payment.currency = money.currency
LEFT JOIN raw_merchants AS merchant ON merchant.id = coalesce(payment.merchant_id, money.merchant_id)
