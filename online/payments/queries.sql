-- name: lock
select id, version from payments where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update payments p
set status = r.status, funding = r.funding, card_checks = r.card_checks, route = r.route, rail = r.rail, rail_reference = r.rail_reference,
    attempt_id = r.attempt_id, authorized_minor = r.authorized_minor,
    capture_open_minor = r.capture_open_minor, captured_minor = r.captured_minor,
    refund_open_minor = r.refund_open_minor, refunded_minor = r.refunded_minor,
    reversed_minor = r.reversed_minor, fee_minor = r.fee_minor, tax_minor = r.tax_minor,
    authorization_expires_at = r.authorization_expires_at, risk = r.risk, next_action = r.next_action,
    last_error = r.last_error, late_minor = r.late_minor, late_returning_minor = r.late_returning_minor,
    late_returned_minor = r.late_returned_minor, late = r.late, late_due_at = r.late_due_at, deemed = r.deemed,
    version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, funding text, card_checks jsonb, route text, rail text, rail_reference text, attempt_id uuid,
    authorized_minor bigint, capture_open_minor bigint, captured_minor bigint,
    refund_open_minor bigint, refunded_minor bigint, reversed_minor bigint, fee_minor bigint,
    tax_minor bigint, authorization_expires_at timestamptz, risk jsonb, next_action jsonb, last_error jsonb, late_minor bigint,
    late_returning_minor bigint, late_returned_minor bigint, late jsonb, late_due_at timestamptz, deemed text, version bigint,
    updated_at timestamptz)
where p.id = r.id

-- name: get
select * from payments where id = %(id)s

-- name: taken
select aggregate_id as id, data -> 'limits' as limits
from payment_events
where aggregate_id = any(%(ids)s::uuid[]) and version = 1

-- name: get_of_merchant
select * from payments where id = %(id)s and merchant_id = %(merchant_id)s

-- name: page
select * from payments
where merchant_id = %(merchant_id)s
    and (%(after)s::uuid is null or id < %(after)s)
    and (%(status)s::text is null or status = %(status)s)
    and (%(method)s::text is null or method = %(method)s)
    and (%(customer_id)s::uuid is null or customer_id = %(customer_id)s)
    and (%(intent_id)s::uuid is null or intent_id = %(intent_id)s)
    and (%(created_from)s::timestamptz is null or created_at >= %(created_from)s)
    and (%(created_to)s::timestamptz is null or created_at < %(created_to)s)
order by id desc
limit %(most)s

-- name: page_under
-- By the TypeID of what they were made under.
select * from payments
where authority is not null and authority ->> 'id' = %(authority)s
    and merchant_id = %(merchant_id)s
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s

-- name: expiring
select * from payments
where status in ('authorized', 'captured', 'partially_refunded')
    and authorized_minor > captured_minor and authorization_expires_at <= %(now)s
    and capture_open_minor = 0 and refund_open_minor = 0
order by authorization_expires_at
limit %(most)s

-- name: late_due
-- Whoever begins a return moves the payment's version: of two workers one is refused.
select * from payments where late_due_at <= %(now)s order by late_due_at limit %(most)s

-- name: late_open
select * from payments
where late_returned_minor < late_minor and livemode = %(livemode)s
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc limit %(most)s
