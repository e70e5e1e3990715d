-- name: lock
select id, version from holds where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update holds h
set status = r.status, captured_minor = r.captured_minor, released_minor = r.released_minor,
    expires_at = r.expires_at, error_code = r.error_code, version = r.version,
    updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, captured_minor bigint, released_minor bigint, expires_at timestamptz,
    error_code text, version bigint, updated_at timestamptz)
where h.id = r.id

-- name: get
select * from holds where id = %(id)s and merchant_id = %(merchant_id)s

-- name: of_payment
select * from holds where payment_id = %(payment_id)s and merchant_id = %(merchant_id)s

-- name: page
select * from holds
where merchant_id = %(merchant_id)s
    and (%(after)s::uuid is null or id < %(after)s)
    and (%(status)s::text is null or status = %(status)s)
    and (%(customer_id)s::uuid is null or customer_id = %(customer_id)s)
order by id desc
limit %(most)s
