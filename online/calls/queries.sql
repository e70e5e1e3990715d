-- name: find
select merchant_id, key, resource_type, resource_id, status, body, livemode, created_at
from idempotency_keys where merchant_id = %(merchant_id)s and key = %(key)s

-- name: forget_answered
-- A row that a call holds now is left for the next time.
delete from idempotency_keys where ctid = any(array(
    select ctid from idempotency_keys
    where created_at < %(before)s and status is not null
    limit %(most)s for update skip locked))

-- name: unanswered
-- In the order of the primary key, so that what has to stay is not read again and again.
select merchant_id, key, resource_type, resource_id, status, body, livemode, created_at
from idempotency_keys
where created_at < %(before)s and status is null
    and (%(after_merchant)s::uuid is null
        or (merchant_id, key) > (%(after_merchant)s, %(after_key)s))
order by merchant_id, key
limit %(most)s

-- name: forget
delete from idempotency_keys k
using unnest(%(merchants)s::uuid[], %(keys)s::text[]) u (merchant_id, key)
where k.merchant_id = u.merchant_id and k.key = u.key
    and k.created_at < %(before)s and k.status is null
