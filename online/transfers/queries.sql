-- name: lock
select id, version from transfers where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update transfers t
set status = r.status, route = r.route, rail = r.rail, rail_reference = r.rail_reference,
    attempt_id = r.attempt_id, risk = r.risk, last_error = r.last_error, due_at = r.due_at,
    late = r.late, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, route text, rail text, rail_reference text, attempt_id uuid, risk jsonb,
    last_error jsonb, due_at timestamptz, late boolean, version bigint, updated_at timestamptz)
where t.id = r.id

-- name: get
select * from transfers where id = %(id)s

-- name: get_of_merchant
select * from transfers where id = %(id)s and merchant_id = %(merchant_id)s

-- name: page
select * from transfers
where merchant_id = %(merchant_id)s
    and (%(after)s::uuid is null or id < %(after)s)
    and (%(customer_id)s::uuid is null or customer_id = %(customer_id)s)
    and (%(status)s::text is null or status = %(status)s)
order by id desc
limit %(most)s
