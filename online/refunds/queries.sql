-- name: lock
select id, version from refunds where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update refunds f
set status = r.status, rail_reference = r.rail_reference, failure_code = r.failure_code,
    version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, rail_reference text, failure_code text, version bigint,
    updated_at timestamptz)
where f.id = r.id

-- name: get
select * from refunds where id = %(id)s

-- name: get_of_merchant
select * from refunds where id = %(id)s and merchant_id = %(merchant_id)s
