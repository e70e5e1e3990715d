-- name: lock
select id, version from handles where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update handles h
set status = r.status, reason = r.reason, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, reason text, version bigint, updated_at timestamptz)
where h.id = r.id

-- name: get
select * from handles where id = %(id)s and merchant_id = %(merchant_id)s

-- name: of_alias
select * from handles where alias_hash = %(alias_hash)s and merchant_id = %(merchant_id)s

-- name: newest_live
-- What a customer can be reached by.
select * from handles
where customer_id = %(customer_id)s and merchant_id = %(merchant_id)s and status = 'active'
    and expires_at > %(now)s
order by id desc
limit 1

-- name: page
-- What has expired counts as such before that is recorded.
select * from handles
where merchant_id = %(merchant_id)s
    and (%(customer_id)s::uuid is null or customer_id = %(customer_id)s)
    and (%(status)s::text is null or %(status)s = case
        when status = 'active' and expires_at <= %(now)s then 'expired' else status end)
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s

-- name: expiring
select * from handles
where status = 'active' and expires_at <= %(now)s
order by expires_at
limit %(most)s
