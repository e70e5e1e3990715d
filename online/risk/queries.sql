-- Written by `python -m models compile` from models/fraud/features.py: do not edit.

-- name: raw_features
-- Every aggregate of one payment, and the snapshot under which they were read.
-- Windows are [at - w, at). A null key has no events. No join: each line is one index scan.
select
    pg_current_snapshot()::text as snapshot,
    of_customer.*,
    of_instrument.*,
    of_device.*,
    of_pair.*,
    labels_of_instrument.*,
    labels_of_merchant.*
from
(
    select
        count(*) filter (where at >= %(at)s::timestamptz - interval '3600 seconds') as customer_count_1h,
        count(*) filter (where at >= %(at)s::timestamptz - interval '86400 seconds') as customer_count_24h,
        count(*) as customer_count_30d,
        coalesce(sum(amount_minor) filter (where at >= %(at)s::timestamptz - interval '86400 seconds'), 0)::bigint as customer_sum_24h,
        coalesce(sum(amount_minor), 0)::bigint as customer_sum_30d,
        max(amount_minor) as customer_max_30d,
        (extract(epoch from %(at)s::timestamptz - max(at)) * 1000000)::bigint as customer_last_30d
    from risk_activity
    where customer_key = %(customer_key)s::text
      and at >= %(at)s::timestamptz - interval '2592000 seconds'
      and at < %(at)s::timestamptz
      and livemode = %(livemode)s::boolean
) as of_customer,
(
    select
        count(*) filter (where at >= %(at)s::timestamptz - interval '3600 seconds') as instrument_count_1h,
        count(*) filter (where at >= %(at)s::timestamptz - interval '86400 seconds') as instrument_count_24h,
        count(*) as instrument_count_30d,
        coalesce(sum(amount_minor) filter (where at >= %(at)s::timestamptz - interval '86400 seconds'), 0)::bigint as instrument_sum_24h,
        coalesce(sum(amount_minor), 0)::bigint as instrument_sum_30d,
        max(amount_minor) as instrument_max_30d,
        (extract(epoch from %(at)s::timestamptz - max(at)) * 1000000)::bigint as instrument_last_30d
    from risk_activity
    where instrument = %(instrument)s::text
      and at >= %(at)s::timestamptz - interval '2592000 seconds'
      and at < %(at)s::timestamptz
      and livemode = %(livemode)s::boolean
) as of_instrument,
(
    select
        count(*) filter (where at >= %(at)s::timestamptz - interval '3600 seconds') as device_count_1h,
        count(*) filter (where at >= %(at)s::timestamptz - interval '86400 seconds') as device_count_24h,
        count(*) as device_count_30d,
        count(distinct customer_key) filter (where at >= %(at)s::timestamptz - interval '604800 seconds') as device_customers_7d,
        (extract(epoch from %(at)s::timestamptz - max(at)) * 1000000)::bigint as device_last_30d
    from risk_activity
    where device_key = %(device_key)s::text
      and at >= %(at)s::timestamptz - interval '2592000 seconds'
      and at < %(at)s::timestamptz
      and livemode = %(livemode)s::boolean
) as of_device,
(
    select
        count(*) as pair_count_30d,
        coalesce(sum(amount_minor), 0)::bigint as pair_sum_30d,
        (extract(epoch from %(at)s::timestamptz - max(at)) * 1000000)::bigint as pair_last_30d
    from risk_activity
    where instrument = %(instrument)s::text
      and merchant_id = %(merchant_id)s::uuid
      and at >= %(at)s::timestamptz - interval '2592000 seconds'
      and at < %(at)s::timestamptz
      and livemode = %(livemode)s::boolean
) as of_pair,
(
    select
        count(*) as instrument_fraud_90d
    from risk_labels
    where instrument = %(instrument)s::text
      and known_at >= %(at)s::timestamptz - interval '7776000 seconds'
      and known_at < %(at)s::timestamptz
      and livemode = %(livemode)s::boolean
      and fraud
) as labels_of_instrument,
(
    select
        count(*) filter (where known_at >= %(at)s::timestamptz - interval '604800 seconds') as merchant_fraud_7d,
        count(*) as merchant_fraud_28d
    from risk_labels
    where merchant_id = %(merchant_id)s::uuid
      and known_at >= %(at)s::timestamptz - interval '2419200 seconds'
      and known_at < %(at)s::timestamptz
      and livemode = %(livemode)s::boolean
      and fraud
) as labels_of_merchant;
