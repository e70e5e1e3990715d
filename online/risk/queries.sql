-- Written by `python -m models compile` from models/fraud/features.py: do not edit.

-- name: raw_features
-- Every aggregate of one payment, and the snapshot under which they were read.
-- Windows are [at - w, at). A null key has no events. Every scan is a range of an index.
select
    pg_current_snapshot()::text as snapshot,
    transactions_of_customer.customer_count_1h as customer_count_1h,
    transactions_of_customer.customer_count_24h as customer_count_24h,
    transactions_of_customer.customer_count_7d as customer_count_7d,
    transactions_of_customer.customer_count_30d as customer_count_30d,
    transactions_of_customer.customer_count_90d as customer_count_90d,
    transactions_of_customer.customer_sum_24h as customer_sum_24h,
    transactions_of_customer.customer_sum_7d as customer_sum_7d,
    transactions_of_customer.customer_sum_30d as customer_sum_30d,
    transactions_of_customer.customer_sum_90d as customer_sum_90d,
    transactions_of_customer.customer_sum_squares_90d as customer_sum_squares_90d,
    transactions_of_customer.customer_max_7d as customer_max_7d,
    transactions_of_customer.customer_max_30d as customer_max_30d,
    transactions_of_customer.customer_last_30d as customer_last_30d,
    labels_of_customer.customer_fraud_90d as customer_fraud_90d,
    transactions_of_card.card_count_1h as card_count_1h,
    transactions_of_card.card_count_24h as card_count_24h,
    transactions_of_card.card_count_30d as card_count_30d,
    transactions_of_card.card_sum_24h as card_sum_24h,
    transactions_of_card.card_sum_30d as card_sum_30d,
    transactions_of_card.card_max_30d as card_max_30d,
    transactions_of_card.card_last_30d as card_last_30d,
    labels_of_card.card_fraud_90d as card_fraud_90d,
    transactions_of_vpa.vpa_count_1h as vpa_count_1h,
    transactions_of_vpa.vpa_count_24h as vpa_count_24h,
    transactions_of_vpa.vpa_count_30d as vpa_count_30d,
    transactions_of_vpa.vpa_sum_24h as vpa_sum_24h,
    transactions_of_vpa.vpa_sum_30d as vpa_sum_30d,
    transactions_of_vpa.vpa_max_30d as vpa_max_30d,
    transactions_of_vpa.vpa_last_30d as vpa_last_30d,
    labels_of_vpa.vpa_fraud_90d as vpa_fraud_90d,
    transactions_of_device.device_count_1h as device_count_1h,
    transactions_of_device.device_count_24h as device_count_24h,
    transactions_of_device.device_count_30d as device_count_30d,
    transactions_of_device.device_customers_7d as device_customers_7d,
    transactions_of_device.device_last_30d as device_last_30d,
    transactions_of_ip.ip_count_1h as ip_count_1h,
    transactions_of_ip.ip_customers_1h as ip_customers_1h,
    tiles.merchant_count_24h as merchant_count_24h,
    tiles.merchant_count_30d as merchant_count_30d,
    tiles.merchant_sum_30d as merchant_sum_30d,
    tiles.merchant_sum_squares_30d as merchant_sum_squares_30d,
    case when %(card_key)s::text is null then transactions_of_vpa.pair_count_30d else transactions_of_card.pair_count_30d end as pair_count_30d,
    case when %(card_key)s::text is null then transactions_of_vpa.pair_sum_30d else transactions_of_card.pair_sum_30d end as pair_sum_30d,
    case when %(card_key)s::text is null then transactions_of_vpa.pair_last_30d else transactions_of_card.pair_last_30d end as pair_last_30d,
    tiles.merchant_fraud_7d as merchant_fraud_7d,
    tiles.merchant_fraud_28d as merchant_fraud_28d,
    tiles.merchant_known_28d as merchant_known_28d,
    (select count(*) from risk_labels where merchant_id = %(merchant_id)s::uuid
          and livemode = %(livemode)s::boolean
          and fraud
          and known_at >= %(since_7776000)s::timestamptz
          and known_at < %(at)s::timestamptz
          and known_at > coalesce((select max(known_at) from risk_labels where merchant_id = %(merchant_id)s::uuid
          and livemode = %(livemode)s::boolean
          and not fraud
          and known_at >= %(since_7776000)s::timestamptz
          and known_at < %(at)s::timestamptz), '-infinity')) as merchant_fraud_streak_90d,
    (extract(epoch from %(at)s::timestamptz - (select max(known_at) from risk_labels where merchant_id = %(merchant_id)s::uuid
          and livemode = %(livemode)s::boolean
          and fraud
          and known_at >= %(since_7776000)s::timestamptz
          and known_at < %(at)s::timestamptz)) * 1000000)::bigint as merchant_fraud_last_90d,
    (extract(epoch from %(at)s::timestamptz - (select max(known_at) from risk_labels where merchant_id = %(merchant_id)s::uuid
          and livemode = %(livemode)s::boolean
          and not fraud
          and known_at >= %(since_7776000)s::timestamptz
          and known_at < %(at)s::timestamptz)) * 1000000)::bigint as merchant_good_last_90d
from
(
    select
        count(*) filter (where at >= %(since_3600)s::timestamptz) as customer_count_1h,
        count(*) filter (where at >= %(since_86400)s::timestamptz) as customer_count_24h,
        count(*) filter (where at >= %(since_604800)s::timestamptz) as customer_count_7d,
        count(*) filter (where at >= %(since_2592000)s::timestamptz) as customer_count_30d,
        count(*) as customer_count_90d,
        coalesce(sum(amount_minor) filter (where at >= %(since_86400)s::timestamptz), 0) as customer_sum_24h,
        coalesce(sum(amount_minor) filter (where at >= %(since_604800)s::timestamptz), 0) as customer_sum_7d,
        coalesce(sum(amount_minor) filter (where at >= %(since_2592000)s::timestamptz), 0) as customer_sum_30d,
        coalesce(sum(amount_minor), 0) as customer_sum_90d,
        coalesce(sum(amount_minor::numeric * amount_minor), 0) as customer_sum_squares_90d,
        max(amount_minor) filter (where at >= %(since_604800)s::timestamptz) as customer_max_7d,
        max(amount_minor) filter (where at >= %(since_2592000)s::timestamptz) as customer_max_30d,
        (extract(epoch from %(at)s::timestamptz - max(at) filter (where at >= %(since_2592000)s::timestamptz)) * 1000000)::bigint as customer_last_30d
    from risk_activity
    where customer_key = %(customer_key)s::text
      and livemode = %(livemode)s::boolean
      and at >= %(since_7776000)s::timestamptz
      and at < %(at)s::timestamptz
) as transactions_of_customer,
(
    select
        count(*) filter (where at >= %(since_3600)s::timestamptz) as card_count_1h,
        count(*) filter (where at >= %(since_86400)s::timestamptz) as card_count_24h,
        count(*) as card_count_30d,
        coalesce(sum(amount_minor) filter (where at >= %(since_86400)s::timestamptz), 0) as card_sum_24h,
        coalesce(sum(amount_minor), 0) as card_sum_30d,
        max(amount_minor) as card_max_30d,
        (extract(epoch from %(at)s::timestamptz - max(at)) * 1000000)::bigint as card_last_30d,
        count(*) filter (where merchant_id = %(merchant_id)s::uuid) as pair_count_30d,
        coalesce(sum(amount_minor) filter (where merchant_id = %(merchant_id)s::uuid), 0) as pair_sum_30d,
        (extract(epoch from %(at)s::timestamptz - max(at) filter (where merchant_id = %(merchant_id)s::uuid)) * 1000000)::bigint as pair_last_30d
    from risk_activity
    where card_key = %(card_key)s::text
      and livemode = %(livemode)s::boolean
      and at >= %(since_2592000)s::timestamptz
      and at < %(at)s::timestamptz
) as transactions_of_card,
(
    select
        count(*) filter (where at >= %(since_3600)s::timestamptz) as vpa_count_1h,
        count(*) filter (where at >= %(since_86400)s::timestamptz) as vpa_count_24h,
        count(*) as vpa_count_30d,
        coalesce(sum(amount_minor) filter (where at >= %(since_86400)s::timestamptz), 0) as vpa_sum_24h,
        coalesce(sum(amount_minor), 0) as vpa_sum_30d,
        max(amount_minor) as vpa_max_30d,
        (extract(epoch from %(at)s::timestamptz - max(at)) * 1000000)::bigint as vpa_last_30d,
        count(*) filter (where merchant_id = %(merchant_id)s::uuid) as pair_count_30d,
        coalesce(sum(amount_minor) filter (where merchant_id = %(merchant_id)s::uuid), 0) as pair_sum_30d,
        (extract(epoch from %(at)s::timestamptz - max(at) filter (where merchant_id = %(merchant_id)s::uuid)) * 1000000)::bigint as pair_last_30d
    from risk_activity
    where vpa_key = %(vpa_key)s::text
      and livemode = %(livemode)s::boolean
      and at >= %(since_2592000)s::timestamptz
      and at < %(at)s::timestamptz
) as transactions_of_vpa,
(
    select
        count(*) filter (where at >= %(since_3600)s::timestamptz) as device_count_1h,
        count(*) filter (where at >= %(since_86400)s::timestamptz) as device_count_24h,
        count(*) as device_count_30d,
        count(distinct customer_key) filter (where at >= %(since_604800)s::timestamptz) as device_customers_7d,
        (extract(epoch from %(at)s::timestamptz - max(at)) * 1000000)::bigint as device_last_30d
    from risk_activity
    where device_key = %(device_key)s::text
      and livemode = %(livemode)s::boolean
      and at >= %(since_2592000)s::timestamptz
      and at < %(at)s::timestamptz
) as transactions_of_device,
(
    select
        count(*) as ip_count_1h,
        count(distinct customer_key) as ip_customers_1h
    from risk_activity
    where ip_key = %(ip_key)s::text
      and livemode = %(livemode)s::boolean
      and at >= %(since_3600)s::timestamptz
      and at < %(at)s::timestamptz
) as transactions_of_ip,
(
    select
        count(*) as customer_fraud_90d
    from risk_labels
    where customer_key = %(customer_key)s::text
      and livemode = %(livemode)s::boolean
      and fraud
      and known_at >= %(since_7776000)s::timestamptz
      and known_at < %(at)s::timestamptz
) as labels_of_customer,
(
    select
        count(*) as card_fraud_90d
    from risk_labels
    where card_key = %(card_key)s::text
      and livemode = %(livemode)s::boolean
      and fraud
      and known_at >= %(since_7776000)s::timestamptz
      and known_at < %(at)s::timestamptz
) as labels_of_card,
(
    select
        count(*) as vpa_fraud_90d
    from risk_labels
    where vpa_key = %(vpa_key)s::text
      and livemode = %(livemode)s::boolean
      and fraud
      and known_at >= %(since_7776000)s::timestamptz
      and known_at < %(at)s::timestamptz
) as labels_of_vpa,
(
    select
        coalesce(sum(events) filter (where series in (50) and mask & 1 <> 0), 0)::bigint as merchant_count_24h,
        coalesce(sum(events) filter (where series in (50) and mask & 8 <> 0), 0)::bigint as merchant_count_30d,
        coalesce(sum(amount) filter (where series in (50) and mask & 8 <> 0), 0) as merchant_sum_30d,
        coalesce(sum(squares) filter (where series in (50) and mask & 8 <> 0), 0) as merchant_sum_squares_30d,
        coalesce(sum(events) filter (where series in (51) and mask & 2 <> 0), 0)::bigint as merchant_fraud_7d,
        coalesce(sum(events) filter (where series in (51) and mask & 4 <> 0), 0)::bigint as merchant_fraud_28d,
        coalesce(sum(events) filter (where series in (51, 52) and mask & 4 <> 0), 0)::bigint as merchant_known_28d
    from (
        select s.series, mask, events, amount, squares
        from unnest(
            %(tile_masks)s::integer[], %(tile_grains)s::integer[],
            %(tile_since)s::timestamptz[], %(tile_until)s::timestamptz[]
        ) as t (mask, grain_s, since, until)
        join (
            values
                (50::smallint, %(merchant_id)s::text, 9),
                (51::smallint, %(merchant_id)s::text, 6),
                (52::smallint, %(merchant_id)s::text, 4)
        ) as s (series, key, windows) on mask & s.windows <> 0 and s.key is not null
        cross join lateral (
            select sum(events) as events, sum(amount) as amount, sum(squares) as squares
            from risk_tiles
            where series = s.series
              and key = s.key
              and livemode = %(livemode)s::boolean
              and grain_s = t.grain_s
              and starts_at >= t.since and starts_at < t.until
        ) as sums
        union all
        select s.series, mask, sign * events, sign * amount, sign * squares
        from unnest(
            %(edge_masks)s::integer[], %(edge_signs)s::integer[],
            %(edge_since)s::timestamptz[], %(edge_until)s::timestamptz[]
        ) as e (mask, sign, since, until)
        join (values (50, null::boolean, 9)) as s (series, fraud, windows) on mask & s.windows <> 0
        cross join lateral (
            select sum(1) as events, sum(amount_minor) as amount, sum(amount_minor::numeric * amount_minor) as squares
            from risk_activity
            where merchant_id = %(merchant_id)s::uuid
              and livemode = %(livemode)s::boolean
              and at >= e.since and at < e.until
        ) as sums
        where %(merchant_id)s::uuid is not null
        union all
        select s.series, mask, sign * events, sign * amount, sign * squares
        from unnest(
            %(edge_masks)s::integer[], %(edge_signs)s::integer[],
            %(edge_since)s::timestamptz[], %(edge_until)s::timestamptz[]
        ) as e (mask, sign, since, until)
        join (values (51, true, 6), (52, false, 4)) as s (series, fraud, windows) on mask & s.windows <> 0
        cross join lateral (
            select sum(1) as events, sum(amount_minor) as amount, sum(amount_minor::numeric * amount_minor) as squares
            from risk_labels
            where merchant_id = %(merchant_id)s::uuid
              and livemode = %(livemode)s::boolean
              and fraud = s.fraud
              and known_at >= e.since and known_at < e.until
        ) as sums
        where %(merchant_id)s::uuid is not null
    ) as pieces
) as tiles;
