-- name: lock
select id, version from intents where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update intents i
set status = r.status, payment_id = r.payment_id, next_action = r.next_action,
    last_payment_error = r.last_payment_error, version = r.version
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, payment_id uuid, next_action jsonb, last_payment_error jsonb,
    version bigint)
where i.id = r.id

-- name: get
select * from intents where id = %(id)s and merchant_id = %(merchant_id)s

-- name: expired
select * from intents
where status in ('requires_payment_method', 'requires_confirmation') and expires_at <= %(now)s
order by expires_at
limit %(most)s
