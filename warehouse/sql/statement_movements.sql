-- grain: one ledger transaction that moved a merchant's money in the period
-- inputs: raw_entries, raw_transactions, raw_accounts, raw_merchants, raw_events
-- owner: finance
WITH own AS (
    SELECT
        account.id,
        account.merchant_id
    FROM raw_accounts AS account
    INNER JOIN raw_merchants AS merchant
        ON account.merchant_id = merchant.id AND account.livemode = merchant.livemode
    WHERE account.merchant_id IN (SELECT unnest($merchants))
        AND account.currency = $currency
        AND starts_with(account.code, 'merchant:')
),

entry AS (
    SELECT
        transaction_id,
        account_id,
        amount_minor
    FROM raw_entries
    WHERE layer = 'posted'
        AND currency = $currency
        AND business_date BETWEEN $start_date AND $end_date
),

moved AS (
    SELECT
        own.merchant_id,
        entry.transaction_id,
        -- Between the merchant's own accounts nothing is gained or lost.
        sum(entry.amount_minor)::BIGINT AS net_minor
    FROM entry
    INNER JOIN own ON entry.account_id = own.id
    GROUP BY own.merchant_id, entry.transaction_id
),

charge AS (
    SELECT
        entry.transaction_id,
        coalesce(sum(entry.amount_minor) FILTER (account.code LIKE 'fees:%'), 0)::BIGINT AS fee_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:igst'), 0)::BIGINT AS igst_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:cgst'), 0)::BIGINT AS cgst_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:sgst'), 0)::BIGINT AS sgst_minor,
        coalesce(sum(entry.amount_minor) FILTER (account.code = 'tax:tds'), 0)::BIGINT AS tds_minor
    FROM entry
    SEMI JOIN moved ON entry.transaction_id = moved.transaction_id
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    GROUP BY entry.transaction_id
),

posted AS (
    SELECT
        moved.merchant_id,
        moved.net_minor,
        transaction.id,
        transaction.cause,
        transaction.kind,
        transaction.business_date,
        transaction.effective_at,
        transaction.metadata,
        coalesce(transaction.reference, '') AS reference,
        -- Charges of a transaction are its own merchant's.
        CASE WHEN transaction.merchant_id = moved.merchant_id THEN 1 ELSE 0 END AS is_own,
        transaction.metadata ->> '$.payment_id' AS payment_id,
        transaction.metadata ->> '$.refund_id' AS refund_id,
        transaction.metadata ->> '$.settlement_id' AS settlement_id
    FROM moved
    INNER JOIN raw_transactions AS transaction ON moved.transaction_id = transaction.id
),

subject AS (
    SELECT cause AS id FROM posted
    UNION
    SELECT try(uuid_of(payment_id)) FROM posted WHERE payment_id IS NOT NULL
    UNION
    SELECT try(uuid_of(refund_id)) FROM posted WHERE refund_id IS NOT NULL
),

-- What is known of a payment, a refund, an attempt or a dispute.
fact AS (
    SELECT
        event.aggregate_id AS id,
        max(event.data ->> '$.instrument_mask') AS instrument,
        max(event.data ->> '$.card.network') AS network,
        min((event."timestamp" + INTERVAL 330 MINUTE)::DATE)
            FILTER (event.event_type IN ('payment.captured', 'attempt.sent', 'dispute.opened')) AS began_on,
        max(event.data ->> '$.rail_reference')
            FILTER (event.event_type IN ('attempt.succeeded', 'refund.succeeded')) AS rail_reference,
        max(event.data ->> '$.reason')
            FILTER (event.event_type IN ('refund.created', 'dispute.opened')) AS reason,
        max(event.data ->> '$.reason_code') AS reason_code,
        max(event.data ->> '$.code') FILTER (event.event_type IN ('attempt.declined', 'attempt.failed')) AS failure
    FROM raw_events AS event
    SEMI JOIN subject ON event.aggregate_id = subject.id
    WHERE event.event_type IN (
        'payment.created', 'payment.captured', 'refund.created', 'refund.succeeded', 'dispute.opened',
        'attempt.sent', 'attempt.succeeded', 'attempt.declined', 'attempt.failed'
    )
    GROUP BY event.aggregate_id
)

SELECT
    posted.merchant_id,
    posted.business_date AS "date",
    coalesce(
        (posted.metadata ->> '$.original_date')::DATE, (posted.effective_at + INTERVAL 330 MINUTE)::DATE
    ) AS value_date,
    posted.effective_at AS at_time,
    posted.id::VARCHAR AS transaction_id,
    posted.kind,
    posted.reference,
    coalesce(posted.payment_id, '') AS payment_id,
    coalesce(posted.metadata ->> '$.dispute_id', '') AS dispute_id,
    coalesce(posted.settlement_id, '') AS settlement_id,
    coalesce(posted.metadata ->> '$.method', '') AS method,
    coalesce(payment.network, '') AS network,
    coalesce(payment.instrument, '') AS instrument,
    coalesce(
        posted.metadata ->> '$.rail_reference', caused.rail_reference, refund.rail_reference, ''
    ) AS rail_reference,
    CASE
        WHEN posted.kind IN ('capture', 'payout_sent', 'payout_found') THEN NULL
        WHEN posted.kind IN ('payout_returned', 'payout_found_returned', 'payout_sent_back') THEN caused.began_on
        ELSE payment.began_on
    END AS original_date,
    coalesce(refund.reason, caused.reason, '') AS reason,
    coalesce(caused.reason_code, caused.failure, '') AS reason_code,
    coalesce(posted.metadata ->> '$.payout_id', '') AS payout_id,
    coalesce(posted.metadata ->> '$.beneficiary_mask', '') AS beneficiary,
    coalesce(posted.metadata ->> '$.beneficiary_ifsc', '') AS ifsc,
    coalesce(posted.metadata ->> '$.beneficiary_last4', '') AS account_last4,
    coalesce(posted.metadata ->> '$.period_start', posted.metadata ->> '$.settled_date')::DATE AS settled_from,
    coalesce(posted.metadata ->> '$.period_end', posted.metadata ->> '$.settled_date')::DATE AS settled_to,
    coalesce(posted.metadata ->> '$.tds_section', '') AS tds_section,
    (posted.metadata ->> '$.tds_bps')::INTEGER AS tds_bps,
    posted.net_minor,
    (charge.fee_minor * posted.is_own)::BIGINT AS fee_minor,
    (charge.igst_minor * posted.is_own)::BIGINT AS igst_minor,
    (charge.cgst_minor * posted.is_own)::BIGINT AS cgst_minor,
    (charge.sgst_minor * posted.is_own)::BIGINT AS sgst_minor,
    (charge.tds_minor * posted.is_own)::BIGINT AS tds_minor
FROM posted
INNER JOIN charge ON posted.id = charge.transaction_id
LEFT JOIN fact AS caused ON posted.cause = caused.id
LEFT JOIN fact AS payment ON try(uuid_of(posted.payment_id)) = payment.id
LEFT JOIN fact AS refund ON try(uuid_of(posted.refund_id)) = refund.id
-- What happened comes before what was charged or given back for it at the same moment.
ORDER BY
    posted.merchant_id,
    posted.business_date,
    posted.effective_at,
    posted.kind IN ('dispute_fee', 'fee_returned'),
    posted.id
