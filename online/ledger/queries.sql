-- name: open_accounts
insert into ledger_accounts (id, code, stripe, currency, normal_side, floor, ceiling, merchant_id, livemode)
select u.* from unnest(
    %(ids)s::uuid[], %(codes)s::text[], %(stripes)s::smallint[], %(currencies)s::text[],
    %(sides)s::text[], %(floors)s::bigint[], %(ceilings)s::bigint[], %(merchants)s::uuid[],
    %(livemodes)s::boolean[]) u
order by 1
on conflict do nothing

-- name: open_from
-- The first day that may be posted to; no month closes before this transaction has ended.
select khata_open_from()

-- name: lock_keys
select k.merchant_id, k.key, k.request_hash, k.resource_id, k.status, k.body, k.created_at
from idempotency_keys k
join unnest(%(merchants)s::uuid[], %(keys)s::text[]) u (merchant_id, key)
    on k.merchant_id = u.merchant_id and k.key = u.key
order by k.merchant_id, k.key
for update of k

-- name: lock_limits
select c.subject, c.rule, c.window_start, c.used
from limit_counters c
join unnest(%(subjects)s::text[], %(rules)s::text[], %(windows)s::date[]) u (subject, rule, window_start)
    on c.subject = u.subject and c.rule = u.rule and c.window_start = u.window_start
order by c.subject, c.rule, c.window_start
for update of c

-- name: lock_accounts
select id, posted, pending, version, normal_side, floor, ceiling, code
from ledger_accounts where id = any(%(ids)s::uuid[])
order by id
for update

-- name: update_accounts
update ledger_accounts a
set posted = u.posted, pending = u.pending, version = u.version, forced = u.forced
from unnest(%(ids)s::uuid[], %(posted)s::bigint[], %(pending)s::bigint[], %(versions)s::bigint[],
    %(forced)s::bigint[]) u (id, posted, pending, version, forced)
where a.id = u.id

-- name: insert_limits
insert into limit_counters (subject, rule, window_start, used, cap, livemode)
select * from unnest(
    %(subjects)s::text[], %(rules)s::text[], %(windows)s::date[], %(used)s::bigint[],
    %(caps)s::bigint[], %(livemodes)s::boolean[])

-- name: update_limits
update limit_counters c set used = u.used, cap = greatest(u.cap, u.used)
from unnest(
    %(subjects)s::text[], %(rules)s::text[], %(windows)s::date[], %(used)s::bigint[],
    %(caps)s::bigint[]) u (subject, rule, window_start, used, cap)
where c.subject = u.subject and c.rule = u.rule and c.window_start = u.window_start

-- name: answer_keys
update idempotency_keys k set status = u.status, body = u.body
from unnest(%(merchants)s::uuid[], %(keys)s::text[], %(statuses)s::smallint[], %(bodies)s::bytea[])
    u (merchant_id, key, status, body)
where k.merchant_id = u.merchant_id and k.key = u.key

-- name: take_stripe
-- Sub-accounts of a striped account belong to one writer at a time; the lock ends with it.
select n from generate_series(0, %(most)s::int) n
where pg_try_advisory_lock(1262833748, n) limit 1
