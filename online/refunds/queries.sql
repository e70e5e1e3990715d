-- name: lock
select id, version from refunds where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update refunds f
set status = r.status, rail_reference = r.rail_reference, failure_code = r.failure_code,
    fee_returned_minor = r.fee_returned_minor, tax_returned_minor = r.tax_returned_minor,
    version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, rail_reference text, failure_code text, fee_returned_minor bigint,
    tax_returned_minor bigint, version bigint, updated_at timestamptz)
where f.id = r.id

-- name: get
select * from refunds where id = %(id)s

-- name: get_of_merchant
select * from refunds where id = %(id)s and merchant_id = %(merchant_id)s

-- name: page
select * from refunds
where merchant_id = %(merchant_id)s
    and (%(after)s::uuid is null or id < %(after)s)
    and (%(payment_id)s::uuid is null or payment_id = %(payment_id)s)
    and (%(status)s::text is null or status = %(status)s)
order by id desc
limit %(most)s

-- name: of_payment
select * from refunds where payment_id = %(payment_id)s order by id

-- name: refunded_with_fee
select coalesce(sum(amount_minor), 0)::bigint from refunds
where payment_id = %(payment_id)s and status = 'succeeded' and mdr_on_refund = 'returned'
