-- name: lock
select id, version from intents where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update intents i
set status = r.status, payment_id = r.payment_id, next_action = r.next_action,
    last_payment_error = r.last_payment_error, version = r.version, customer_id = r.customer_id,
    amount_minor = r.amount_minor, payment_methods = r.payment_methods,
    capture_method = r.capture_method, priority = r.priority, description = r.description,
    expires_at = r.expires_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, payment_id uuid, next_action jsonb, last_payment_error jsonb,
    version bigint, customer_id uuid, amount_minor bigint, payment_methods text[],
    capture_method text, priority text, description text, expires_at timestamptz)
where i.id = r.id

-- name: get
select * from intents where id = %(id)s and merchant_id = %(merchant_id)s

-- name: expired
select * from intents
where status in ('requires_payment_method', 'requires_confirmation') and expires_at <= %(now)s
order by expires_at
limit %(most)s

-- name: overdue
-- Time is up while the payer could still act.
select * from intents
where status = 'requires_action' and expires_at <= %(now)s
    and (%(after)s::uuid is null or id > %(after)s)
order by id
limit %(most)s

-- name: page
select * from intents
where merchant_id = %(merchant_id)s
    and (%(after)s::uuid is null or id < %(after)s)
    and (%(status)s::text is null or status = %(status)s)
order by id desc
limit %(most)s
