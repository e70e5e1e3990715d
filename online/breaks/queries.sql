-- name: lock
select id, version from breaks where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update breaks b
set kind = r.kind, side = r.side, rail = r.rail, reference = r.reference, row_ids = r.row_ids,
    expected_minor = r.expected_minor, actual_minor = r.actual_minor, currency = r.currency,
    business_date = r.business_date, reason = r.reason, state = r.state,
    version = r.version, opened_at = r.opened_at, closed_at = r.closed_at,
    generation = r.generation, cause = r.cause, owner = r.owner, opened_on = r.opened_on,
    at_stake_minor = r.at_stake_minor, suspense_minor = r.suspense_minor,
    suspense_account = r.suspense_account, suspense_cause = r.suspense_cause,
    tat_due_on = r.tat_due_on, tat_per_day_minor = r.tat_per_day_minor,
    explanation = r.explanation, write_off_reason = r.write_off_reason,
    requested_by = r.requested_by, decided_by = r.decided_by, decided_at = r.decided_at,
    moved_minor = r.moved_minor, moved_to = r.moved_to
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, kind text, side text, rail text, reference text, row_ids text[],
    expected_minor bigint, actual_minor bigint, currency text, business_date date, reason text,
    state text, version bigint, opened_at timestamptz, closed_at timestamptz,
    generation bigint, cause text, owner text, opened_on date, at_stake_minor bigint,
    suspense_minor bigint, suspense_account text, suspense_cause uuid, tat_due_on date,
    tat_per_day_minor bigint, explanation text, write_off_reason text, requested_by text,
    decided_by text, decided_at timestamptz, moved_minor bigint, moved_to text)
where b.id = r.id

-- name: by_ids
select * from breaks where id = any(%(ids)s::uuid[])

-- name: get
select * from breaks where id = %(id)s and livemode = %(livemode)s

-- name: page
-- Newest first; break ids carry no time, so a page goes by the day and the id.
select b.* from breaks b
where b.livemode = %(livemode)s
    and (%(state)s::text is null or b.state = %(state)s)
    and (%(kind)s::text is null or b.kind = %(kind)s)
    and (%(owner)s::text is null or b.owner = %(owner)s)
    and (%(upto)s::date is null or b.business_date <= %(upto)s)
    and (%(after)s::uuid is null or (b.business_date, b.id) < (
        select a.business_date, a.id from breaks a where a.id = %(after)s))
order by b.business_date desc, b.id desc
limit %(most)s

-- name: history
select event_type, version, timestamp as at, metadata ->> 'actor' as actor, data
from payment_events
where aggregate_id = %(id)s
order by version
