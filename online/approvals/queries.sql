-- name: lock
select id, version from delegation_requests where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update delegation_requests q
set status = r.status, payment_id = r.payment_id, approved_by = r.approved_by, reason = r.reason,
    version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, payment_id uuid, approved_by text, reason text, version bigint,
    updated_at timestamptz)
where q.id = r.id

-- name: get
select * from delegation_requests where id = %(id)s and merchant_id = %(merchant_id)s

-- name: page
-- What has run out counts as expired before that is recorded.
select * from delegation_requests
where merchant_id = %(merchant_id)s and delegation_id = %(delegation_id)s
    and (%(status)s::text is null or %(status)s = case
        when status = 'pending' and expires_at <= %(now)s then 'expired' else status end)
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s

-- name: due
select * from delegation_requests
where status = 'pending' and expires_at <= %(now)s
    and (%(delegation_id)s::uuid is null or delegation_id = %(delegation_id)s)
order by expires_at
limit %(most)s
