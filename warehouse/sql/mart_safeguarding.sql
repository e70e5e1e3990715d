-- grain: one currency at the end of the day
-- inputs: raw_entries, raw_accounts
-- owner: finance
WITH balance AS (
    SELECT
        account.code,
        account.merchant_id,
        entry.currency,
        sum(entry.amount_minor)::BIGINT AS minor
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    WHERE entry.business_date <= $day AND entry.layer = 'posted'
    GROUP BY account.code, account.merchant_id, entry.currency
),

-- One owner's debt does not pay another's credit: whoever owes us counts as nothing.
owner AS (
    SELECT
        currency,
        CASE WHEN merchant_id IS NULL THEN 'customer' ELSE 'merchant' END AS kind,
        greatest(sum(minor), 0)::BIGINT AS minor
    FROM balance
    WHERE code LIKE 'merchant:%' OR code LIKE 'customer:%'
    GROUP BY currency, kind, coalesce(merchant_id::VARCHAR, code)
),

owed AS (
    SELECT
        currency,
        coalesce(sum(minor) FILTER (kind = 'merchant'), 0)::BIGINT AS merchants_minor,
        coalesce(sum(minor) FILTER (kind = 'customer'), 0)::BIGINT AS customers_minor
    FROM owner
    GROUP BY currency
),

house AS (
    SELECT
        currency,
        coalesce(sum(minor) FILTER (code LIKE 'refunds:%:payable'), 0)::BIGINT AS refunds_minor,
        coalesce(sum(minor) FILTER (code LIKE 'payouts:%:in_transit'), 0)::BIGINT AS payouts_in_transit_minor,
        greatest(coalesce(sum(minor) FILTER (code = 'suspense:bank'), 0), 0)::BIGINT AS unexplained_minor,
        -- What a rail owes and does not show, or has paid and did not owe, is in its suspense.
        -coalesce(
            sum(minor) FILTER (code LIKE 'rail:%' OR code LIKE 'suspense:%' AND code <> 'suspense:bank'), 0
        )::BIGINT AS not_yet_received_minor,
        -coalesce(sum(minor) FILTER (code LIKE 'bank:%'), 0)::BIGINT AS bank_minor
    FROM balance
    GROUP BY currency
)

SELECT
    $day AS business_date,
    house.currency,
    coalesce(owed.merchants_minor, 0)::BIGINT AS merchants_minor,
    coalesce(owed.customers_minor, 0)::BIGINT AS customers_minor,
    house.refunds_minor,
    house.payouts_in_transit_minor,
    house.unexplained_minor,
    house.not_yet_received_minor,
    -- The duty begins when money has been received: what rails still owe cannot lie in the bank.
    greatest(
        merchants_minor + customers_minor + refunds_minor + payouts_in_transit_minor + unexplained_minor
        - not_yet_received_minor, 0
    )::BIGINT AS required_minor,
    house.bank_minor,
    (house.bank_minor - required_minor)::BIGINT AS cover_minor
FROM house
LEFT JOIN owed ON house.currency = owed.currency
