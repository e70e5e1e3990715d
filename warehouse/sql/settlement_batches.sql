-- grain: one merchant, currency and period that has just ended
-- inputs: settlement_carried, settlement_lines, raw_merchants
-- owner: finance
WITH summed AS (
    SELECT
        due.account_id,
        coalesce(sum(line.gross_minor), 0)::BIGINT AS gross_minor,
        coalesce(sum(line.refund_minor), 0)::BIGINT AS refunds_minor,
        coalesce(sum(line.dispute_minor), 0)::BIGINT AS disputes_minor,
        coalesce(sum(line.fee_minor), 0)::BIGINT AS fees_minor,
        coalesce(sum(line.tax_minor), 0)::BIGINT AS tax_minor,
        coalesce(sum(line.released_minor), 0)::BIGINT AS released_minor,
        coalesce(sum(line.net_minor), 0)::BIGINT AS net_minor,
        count(line.transaction_id) AS "count"
    FROM settlement_carried AS due
    LEFT JOIN settlement_lines AS line
        ON due.merchant_id = line.merchant_id
            AND due.currency = line.currency
            AND line.business_date BETWEEN due.first_day AND $day + 1
            AND moment(line.occurred_at, line.business_date) >= due.begins_at
            AND moment(line.occurred_at, line.business_date) < due.ends_at
    GROUP BY due.account_id
),

charged AS (
    SELECT
        due.*,
        summed.* EXCLUDE (account_id),
        merchant.settlement_days,
        greatest(merchant.min_payout_minor, 1) AS least_minor,
        due.reserve_left_minor + bps_of(greatest(summed.gross_minor, 0), merchant.reserve_bps) AS reserve_minor,
        due.tds_left_minor + bps_of(
            greatest(summed.gross_minor, 0),
            CASE
                WHEN merchant.tds_section IS NULL THEN 0
                ELSE coalesce(merchant.tds_bps, $rates[list_position($sections, merchant.tds_section)], 0)
            END
        ) AS tds_minor
    FROM settlement_carried AS due
    INNER JOIN summed ON due.account_id = summed.account_id
    INNER JOIN raw_merchants AS merchant ON due.merchant_id = merchant.id
),

owed AS (
    SELECT
        charged.*,
        carried_minor + net_minor - reserve_minor - tds_minor AS owed_minor,
        -- Refunds after the period may have used what it earned: no more is paid than there is.
        least(owed_minor, balance_minor - reserve_minor - tds_minor) AS payable_minor,
        payable_minor >= least_minor AS is_paid
    FROM charged
)

SELECT
    merchant_id,
    $day AS business_date,
    currency,
    gross_minor,
    refunds_minor,
    disputes_minor,
    fees_minor,
    tax_minor,
    released_minor,
    net_minor,
    carried_minor,
    reserve_minor,
    tds_minor,
    owed_minor,
    CASE WHEN is_paid THEN payable_minor ELSE 0 END AS payout_minor,
    carried_minor + net_minor
    - (CASE WHEN is_paid THEN payable_minor + reserve_minor + tds_minor ELSE 0 END) AS carried_out_minor,
    "count",
    starts_at,
    ends_at,
    -- T+n in bank days, but never before the period is over.
    greatest(
        $pay_days[coalesce(settlement_days, 1) + 1],
        CASE WHEN ends_at > midnight($day) + INTERVAL 23 HOUR + INTERVAL 59 MINUTE THEN $after ELSE $pay_days[1] END
    ) AS settle_on,
    false AS is_accepted
FROM owed
-- A quiet period needs no settlement, unless there is something to pay.
WHERE "count" > 0 OR is_paid
