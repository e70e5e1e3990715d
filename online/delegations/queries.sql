-- name: lock
select id, version from delegations where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update delegations d
set status = r.status, reason = r.reason, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, reason text, version bigint, updated_at timestamptz)
where d.id = r.id

-- name: get
select * from delegations where id = %(id)s and merchant_id = %(merchant_id)s

-- name: page
-- Of a customer: those where they are the primary, and those where they are the secondary.
select * from delegations
where merchant_id = %(merchant_id)s
    and (%(customer_id)s::uuid is null or %(customer_id)s in (primary_id, secondary_id))
    and (%(status)s::text is null or status = %(status)s)
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s
