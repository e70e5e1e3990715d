-- name: lock
select id, version from risk_verdicts where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update risk_verdicts v
set fraud = r.fraud, source = r.source, known_at = r.known_at, version = r.version
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, fraud boolean, source text, known_at timestamptz, version bigint)
where v.id = r.id

-- name: subject
-- A payment as labels know it, and the newest label that it has.
select a.payment_id, a.merchant_id, a.card_key, a.vpa_key, a.customer_key, a.device_key, a.ip_key,
    a.amount_minor, a.livemode, v.fraud, v.source, v.known_at, coalesce(v.version, 0) as version
from risk_activity a
left join risk_verdicts v on v.id = a.payment_id
where a.payment_id = %(payment_id)s

-- name: take_sweep
-- One worker at a time; the lock ends with the transaction, however that ends.
select pg_try_advisory_xact_lock(hashtextextended('risk_sweeps aged', 0))

-- name: page
-- The next payments of the log, oldest first: after the first id, up to the last one.
select u.upto as after, n.id as upto, n.place as passed
from risk_sweeps u
cross join lateral (
    select p.id, row_number() over (order by p.id) as place
    from (select id from payments where id > u.upto and id < %(before)s
        order by id limit %(most)s) p
    order by p.id desc
    limit 1) n
where u.name = 'aged'

-- name: aged
-- Payments of a page that nobody has said anything about and whose money was taken and not all
-- given back: what never took money could not be complained about, and proves nothing.
select a.payment_id, a.merchant_id, a.card_key, a.vpa_key, a.customer_key, a.device_key, a.ip_key,
    a.amount_minor, a.livemode
from payments p
join risk_activity a on a.payment_id = p.id
where p.id > %(after)s and p.id <= %(upto)s
    and p.captured_minor > p.refunded_minor + p.reversed_minor
    and not exists (select from risk_verdicts v where v.id = p.id)
order by p.id

-- name: keep_swept
update risk_sweeps set upto = %(upto)s where name = 'aged'
