-- The captures that the benchmark of statements reads; `shop` has its merchants.
INSERT INTO raw_merchants (id, name, legal_name, state_code, livemode)
SELECT id, 'Shop ' || n, 'Shop ' || n || ' Private Limited', '29', false FROM shop;

INSERT INTO raw_accounts
SELECT id, 'merchant:' || name || ':pending', 0, 'INR', 'C', id, false FROM shop;

INSERT INTO raw_accounts VALUES
('00000000-0000-0000-0000-000000000001', 'fees:mdr', 0, 'INR', 'C', NULL, false),
('00000000-0000-0000-0000-000000000002', 'tax:igst', 0, 'INR', 'C', NULL, false);

CREATE TEMP TABLE sale AS
SELECT
    uuid() AS id,
    uuid() AS payment,
    shop.id AS merchant,
    DATE '2026-11-01' + (place.n % 16)::INTEGER AS day,
    10000 + 137 * place.n AS amount
FROM shop CROSS JOIN (SELECT unnest(range(6)) AS n) AS place;

INSERT INTO raw_transactions (
    id, cause, kind, reference, merchant_id, business_date, effective_at, livemode, metadata
)
SELECT
    id, id, 'capture', typeid('att', id), merchant, day, day + INTERVAL 6 HOUR, false,
    json_object(
        'payment_id', typeid('pay', payment), 'method', 'upi',
        'rail_reference', lpad(amount::VARCHAR, 12, '6')
    )
FROM sale;

INSERT INTO raw_events (id, aggregate_id, aggregate_type, event_type, version, data)
SELECT
    uuid(), payment, 'payment', 'payment.created', 1,
    json_object('instrument_mask', 'as***@okhdfc')
FROM sale;

INSERT INTO raw_entries (
    id, transaction_id, account_id, amount_minor, currency, layer, business_date
)
SELECT uuid(), sale.id, leg.account, leg.minor, 'INR', 'posted', day
FROM sale CROSS JOIN LATERAL (
    SELECT
        unnest([
            merchant, merchant, '00000000-0000-0000-0000-000000000001'::UUID,
            '00000000-0000-0000-0000-000000000002'::UUID
        ]) AS account,
        unnest([amount, -236, 200, 36]) AS minor
) AS leg;
