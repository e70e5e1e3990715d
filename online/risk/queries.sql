-- Written by `python -m models compile` from models/fraud/features.py: do not edit.

-- name: raw_features
-- Every aggregate of each payment, and the snapshot under which they were read.
-- Windows are [at - w, at). A null key has no events. Every scan is a range of an index.
select f.* from json_to_recordset(%(payments)s::json) as p (
    nr integer,
    card_key text,
    merchant_id uuid,
    livemode boolean,
    since_7776000 timestamptz,
    at timestamptz,
    since_3600 timestamptz,
    since_86400 timestamptz,
    since_604800 timestamptz,
    since_2592000 timestamptz,
    customer_key text,
    vpa_key text,
    device_key text,
    ip_key text,
    tile_masks integer[],
    tile_grains integer[],
    tile_since timestamptz[],
    tile_until timestamptz[],
    edge_masks integer[],
    edge_signs integer[],
    edge_since timestamptz[],
    edge_until timestamptz[]
)
cross join lateral (
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
    case when p.card_key is null then transactions_of_vpa.pair_count_30d else transactions_of_card.pair_count_30d end as pair_count_30d,
    case when p.card_key is null then transactions_of_vpa.pair_sum_30d else transactions_of_card.pair_sum_30d end as pair_sum_30d,
    case when p.card_key is null then transactions_of_vpa.pair_last_30d else transactions_of_card.pair_last_30d end as pair_last_30d,
    tiles.merchant_fraud_7d as merchant_fraud_7d,
    tiles.merchant_fraud_28d as merchant_fraud_28d,
    tiles.merchant_known_28d as merchant_known_28d,
    (select count(*) from risk_labels where merchant_id = p.merchant_id
          and livemode = p.livemode
          and fraud
          and known_at >= p.since_7776000
          and known_at < p.at
          and known_at > coalesce((select max(known_at) from risk_labels where merchant_id = p.merchant_id
          and livemode = p.livemode
          and not fraud
          and known_at >= p.since_7776000
          and known_at < p.at), '-infinity')) as merchant_fraud_streak_90d,
    (extract(epoch from p.at - (select max(known_at) from risk_labels where merchant_id = p.merchant_id
          and livemode = p.livemode
          and fraud
          and known_at >= p.since_7776000
          and known_at < p.at)) * 1000000)::bigint as merchant_fraud_last_90d,
    (extract(epoch from p.at - (select max(known_at) from risk_labels where merchant_id = p.merchant_id
          and livemode = p.livemode
          and not fraud
          and known_at >= p.since_7776000
          and known_at < p.at)) * 1000000)::bigint as merchant_good_last_90d
from
(
    select
        count(*) filter (where at >= p.since_3600) as customer_count_1h,
        count(*) filter (where at >= p.since_86400) as customer_count_24h,
        count(*) filter (where at >= p.since_604800) as customer_count_7d,
        count(*) filter (where at >= p.since_2592000) as customer_count_30d,
        count(*) as customer_count_90d,
        coalesce(sum(amount_minor) filter (where at >= p.since_86400), 0) as customer_sum_24h,
        coalesce(sum(amount_minor) filter (where at >= p.since_604800), 0) as customer_sum_7d,
        coalesce(sum(amount_minor) filter (where at >= p.since_2592000), 0) as customer_sum_30d,
        coalesce(sum(amount_minor), 0) as customer_sum_90d,
        coalesce(sum(amount_minor::numeric * amount_minor), 0) as customer_sum_squares_90d,
        max(amount_minor) filter (where at >= p.since_604800) as customer_max_7d,
        max(amount_minor) filter (where at >= p.since_2592000) as customer_max_30d,
        (extract(epoch from p.at - max(at) filter (where at >= p.since_2592000)) * 1000000)::bigint as customer_last_30d
    from risk_activity
    where customer_key = p.customer_key
      and livemode = p.livemode
      and at >= p.since_7776000
      and at < p.at
) as transactions_of_customer,
(
    select
        count(*) filter (where at >= p.since_3600) as card_count_1h,
        count(*) filter (where at >= p.since_86400) as card_count_24h,
        count(*) as card_count_30d,
        coalesce(sum(amount_minor) filter (where at >= p.since_86400), 0) as card_sum_24h,
        coalesce(sum(amount_minor), 0) as card_sum_30d,
        max(amount_minor) as card_max_30d,
        (extract(epoch from p.at - max(at)) * 1000000)::bigint as card_last_30d,
        count(*) filter (where merchant_id = p.merchant_id) as pair_count_30d,
        coalesce(sum(amount_minor) filter (where merchant_id = p.merchant_id), 0) as pair_sum_30d,
        (extract(epoch from p.at - max(at) filter (where merchant_id = p.merchant_id)) * 1000000)::bigint as pair_last_30d
    from risk_activity
    where card_key = p.card_key
      and livemode = p.livemode
      and at >= p.since_2592000
      and at < p.at
) as transactions_of_card,
(
    select
        count(*) filter (where at >= p.since_3600) as vpa_count_1h,
        count(*) filter (where at >= p.since_86400) as vpa_count_24h,
        count(*) as vpa_count_30d,
        coalesce(sum(amount_minor) filter (where at >= p.since_86400), 0) as vpa_sum_24h,
        coalesce(sum(amount_minor), 0) as vpa_sum_30d,
        max(amount_minor) as vpa_max_30d,
        (extract(epoch from p.at - max(at)) * 1000000)::bigint as vpa_last_30d,
        count(*) filter (where merchant_id = p.merchant_id) as pair_count_30d,
        coalesce(sum(amount_minor) filter (where merchant_id = p.merchant_id), 0) as pair_sum_30d,
        (extract(epoch from p.at - max(at) filter (where merchant_id = p.merchant_id)) * 1000000)::bigint as pair_last_30d
    from risk_activity
    where vpa_key = p.vpa_key
      and livemode = p.livemode
      and at >= p.since_2592000
      and at < p.at
) as transactions_of_vpa,
(
    select
        count(*) filter (where at >= p.since_3600) as device_count_1h,
        count(*) filter (where at >= p.since_86400) as device_count_24h,
        count(*) as device_count_30d,
        count(distinct customer_key) filter (where at >= p.since_604800) as device_customers_7d,
        (extract(epoch from p.at - max(at)) * 1000000)::bigint as device_last_30d
    from risk_activity
    where device_key = p.device_key
      and livemode = p.livemode
      and at >= p.since_2592000
      and at < p.at
) as transactions_of_device,
(
    select
        count(*) as ip_count_1h,
        count(distinct customer_key) as ip_customers_1h
    from risk_activity
    where ip_key = p.ip_key
      and livemode = p.livemode
      and at >= p.since_3600
      and at < p.at
) as transactions_of_ip,
(
    select
        count(*) as customer_fraud_90d
    from risk_labels
    where customer_key = p.customer_key
      and livemode = p.livemode
      and fraud
      and known_at >= p.since_7776000
      and known_at < p.at
) as labels_of_customer,
(
    select
        count(*) as card_fraud_90d
    from risk_labels
    where card_key = p.card_key
      and livemode = p.livemode
      and fraud
      and known_at >= p.since_7776000
      and known_at < p.at
) as labels_of_card,
(
    select
        count(*) as vpa_fraud_90d
    from risk_labels
    where vpa_key = p.vpa_key
      and livemode = p.livemode
      and fraud
      and known_at >= p.since_7776000
      and known_at < p.at
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
            p.tile_masks, p.tile_grains,
            p.tile_since, p.tile_until
        ) as t (mask, grain_s, since, until)
        join (
            values
                (50::smallint, p.merchant_id::text, 9),
                (51::smallint, p.merchant_id::text, 6),
                (52::smallint, p.merchant_id::text, 4)
        ) as s (series, key, windows) on mask & s.windows <> 0 and s.key is not null
        cross join lateral (
            select sum(events) as events, sum(amount) as amount, sum(squares) as squares
            from risk_tiles
            where series = s.series
              and key = s.key
              and livemode = p.livemode
              and grain_s = t.grain_s
              and starts_at >= t.since and starts_at < t.until
        ) as sums
        union all
        select s.series, mask, sign * events, sign * amount, sign * squares
        from unnest(
            p.edge_masks, p.edge_signs,
            p.edge_since, p.edge_until
        ) as e (mask, sign, since, until)
        join (values (50, null::boolean, 9)) as s (series, fraud, windows) on mask & s.windows <> 0
        cross join lateral (
            select sum(1) as events, sum(amount_minor) as amount, sum(amount_minor::numeric * amount_minor) as squares
            from risk_activity
            where merchant_id = p.merchant_id
              and livemode = p.livemode
              and at >= e.since and at < e.until
        ) as sums
        where p.merchant_id is not null
        union all
        select s.series, mask, sign * events, sign * amount, sign * squares
        from unnest(
            p.edge_masks, p.edge_signs,
            p.edge_since, p.edge_until
        ) as e (mask, sign, since, until)
        join (values (51, true, 6), (52, false, 4)) as s (series, fraud, windows) on mask & s.windows <> 0
        cross join lateral (
            select sum(1) as events, sum(amount_minor) as amount, sum(amount_minor::numeric * amount_minor) as squares
            from risk_labels
            where merchant_id = p.merchant_id
              and livemode = p.livemode
              and fraud = s.fraud
              and known_at >= e.since and known_at < e.until
        ) as sums
        where p.merchant_id is not null
    ) as pieces
) as tiles
) as f
order by p.nr;
