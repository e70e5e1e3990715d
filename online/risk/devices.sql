-- name: use_of_device
-- The windows are those of the features of the same names.
select
    count(*) as payments_30d,
    count(distinct customer_key) filter (where at >= %(at)s::timestamptz - interval '7 days') as customers_7d
from risk_activity
where device_key = any(%(names)s::text[])
  and at >= %(at)s::timestamptz - interval '30 days'
  and at < %(at)s::timestamptz
  and livemode = %(livemode)s::boolean
