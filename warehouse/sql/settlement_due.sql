-- grain: one merchant and currency whose next period ends on the day and is over
-- inputs: raw_merchants, raw_accounts, settlement_positions, ingest_watermark
-- owner: finance
-- A period begins where the last one ended; a first one with the merchant, or after the day that
-- another system settled last.
WITH cut AS (
    SELECT
        merchant.id AS merchant_id,
        unnest(list_append(coalesce(merchant.settlement_cycles, []), merchant.cutoff)) AS ends
    FROM raw_merchants AS merchant
    WHERE coalesce(merchant.settlement_schedule, 'daily') <> 'weekly'
        OR isodow($day::DATE) = merchant.settlement_weekday
),

ended AS (
    SELECT
        merchant_id,
        midnight($day) + to_minutes(split_part(ends, ':', 1)::INTEGER * 60 + split_part(ends, ':', 2)::INTEGER)
            AS ends_at
    FROM cut
)

SELECT
    account.id AS account_id,
    account.merchant_id,
    account.currency,
    any_value(position.ends_at) AS starts_at,
    min(ended.ends_at) AS ends_at,
    coalesce(any_value(position.reserve_left_minor), 0) AS reserve_left_minor,
    coalesce(any_value(position.tds_left_minor), 0) AS tds_left_minor,
    coalesce(any_value(position.taken_minor), 0) AS taken_minor
FROM raw_accounts AS account
INNER JOIN ended ON account.merchant_id = ended.merchant_id
LEFT JOIN settlement_positions AS position
    ON account.merchant_id = position.merchant_id AND account.currency = position.currency
WHERE account.code LIKE 'merchant:%:pending'
    AND (position.ends_at IS NULL OR ended.ends_at > position.ends_at)
    AND ended.ends_at <= coalesce((SELECT min(at_time) FROM ingest_watermark), ended.ends_at)
GROUP BY account.id, account.merchant_id, account.currency
