-- name: lock
select id, version from reviews where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update reviews v
set status = r.status, assignee = r.assignee, claimed_until = r.claimed_until,
    outcome = r.outcome, reason = r.reason, decided_at = r.decided_at, version = r.version,
    updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, assignee text, claimed_until timestamptz, outcome text, reason text,
    decided_at timestamptz, version bigint, updated_at timestamptz)
where v.id = r.id

-- name: get
select * from reviews
where id = %(id)s and livemode = %(livemode)s
    and (%(tenant)s::uuid is null or merchant_id = %(tenant)s)

-- name: newest
-- A claim whose time ran out counts as open; whoever let it run out has it no more.
select * from reviews
where livemode = %(livemode)s
    and (%(tenant)s::uuid is null or merchant_id = %(tenant)s)
    and (%(merchant)s::uuid is null or merchant_id = %(merchant)s)
    and (%(level)s::text is null or level = %(level)s)
    and case coalesce(%(status)s::text, '')
        when 'open' then status <> 'decided' and (status = 'open' or claimed_until <= %(now)s)
        when 'claimed' then status = 'claimed' and claimed_until > %(now)s
        when 'decided' then status = 'decided'
        else true end
    and (%(assignee)s::text is null or (assignee = %(assignee)s
        and (status = 'decided' or claimed_until > %(now)s)))
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s

-- name: most_at_stake
-- The same filters; the cursor is the place of a review whose amount never changes.
select * from reviews
where livemode = %(livemode)s
    and (%(tenant)s::uuid is null or merchant_id = %(tenant)s)
    and (%(merchant)s::uuid is null or merchant_id = %(merchant)s)
    and (%(level)s::text is null or level = %(level)s)
    and case coalesce(%(status)s::text, '')
        when 'open' then status <> 'decided' and (status = 'open' or claimed_until <= %(now)s)
        when 'claimed' then status = 'claimed' and claimed_until > %(now)s
        when 'decided' then status = 'decided'
        else true end
    and (%(assignee)s::text is null or (assignee = %(assignee)s
        and (status = 'decided' or claimed_until > %(now)s)))
    and (%(after)s::uuid is null or (amount_minor, id) < (
        select a.amount_minor, a.id from reviews a where a.id = %(after)s))
order by amount_minor desc, id desc
limit %(most)s

-- name: history
select event_type, version, timestamp as at, metadata ->> 'actor' as actor, data
from payment_events
where aggregate_id = %(id)s
order by version
