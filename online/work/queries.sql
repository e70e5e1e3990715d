-- name: request
-- The same fields find the request that is there; one that failed is queued again.
insert into work_requests (id, kind, fingerprint, merchant_id, params, state, livemode, created_at)
values (%(id)s, %(kind)s, %(fingerprint)s, %(merchant_id)s, %(params)s::jsonb, 'queued',
    %(livemode)s, %(created_at)s)
on conflict (fingerprint) do update
set state = case work_requests.state when 'failed' then 'queued' else work_requests.state end
returning id, kind, merchant_id, params, state, result, livemode, created_at

-- name: get
select id, kind, merchant_id, params, state, result, livemode, created_at
from work_requests where id = %(id)s and kind = %(kind)s

-- name: claim
-- Oldest first. What was claimed long ago and never reported is given out again; a request for a
-- day that is not over waits.
update work_requests set state = 'running', claimed_at = %(now)s
where id in (
    select id from work_requests
    where kind = any(%(kinds)s::text[]) and livemode = %(livemode)s
        and (state = 'queued' or (state = 'running' and claimed_at < %(lost_before)s))
        and coalesce(params ->> 'date' < %(today)s, true)
    order by created_at, id
    limit %(most)s
    for update skip locked)
returning id, kind, merchant_id, params, state, result, livemode, created_at

-- name: finish
update work_requests set state = %(state)s, result = %(result)s::jsonb
where id = %(id)s and livemode = %(livemode)s
returning id, kind, merchant_id, params, state, result, livemode, created_at
