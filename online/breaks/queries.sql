-- name: lock
select id, version from breaks where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update breaks b
set kind = r.kind, side = r.side, rail = r.rail, reference = r.reference, row_ids = r.row_ids,
    expected_minor = r.expected_minor, actual_minor = r.actual_minor, currency = r.currency,
    business_date = r.business_date, reason = r.reason, state = r.state,
    version = r.version, opened_at = r.opened_at, closed_at = r.closed_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, kind text, side text, rail text, reference text, row_ids text[],
    expected_minor bigint, actual_minor bigint, currency text, business_date date, reason text,
    state text, version bigint, opened_at timestamptz, closed_at timestamptz)
where b.id = r.id

-- name: by_ids
select * from breaks where id = any(%(ids)s::uuid[])

-- name: page
-- Newest first; break ids carry no time, so a page goes by the day and the id.
select b.* from breaks b
where b.livemode = %(livemode)s
    and (%(state)s::text is null or b.state = %(state)s)
    and (%(kind)s::text is null or b.kind = %(kind)s)
    and (%(after)s::uuid is null or (b.business_date, b.id) < (
        select a.business_date, a.id from breaks a where a.id = %(after)s))
order by b.business_date desc, b.id desc
limit %(most)s
