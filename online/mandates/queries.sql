-- name: lock_mandates
select id, version from mandates where id = any(%(ids)s::uuid[]) order by id for update

-- name: update_mandates
update mandates m
set status = r.status, route = r.route, rail = r.rail, attempt_id = r.attempt_id, umn = r.umn,
    next_action = r.next_action, last_error = r.last_error, next_debit_on = r.next_debit_on,
    paused_by = r.paused_by, revoked_by = r.revoked_by, told = r.told, tell_at = r.tell_at,
    version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, route text, rail text, attempt_id uuid, umn text, next_action jsonb,
    last_error jsonb, next_debit_on date, paused_by text, revoked_by text, told boolean,
    tell_at timestamptz, version bigint, updated_at timestamptz)
where m.id = r.id

-- name: lock_executions
select id, version from mandate_executions where id = any(%(ids)s::uuid[]) order by id for update

-- name: update_executions
update mandate_executions e
set status = r.status, notice_at = r.notice_at, debit_from = r.debit_from, next_try_at = r.next_try_at, tried = r.tried,
    payments = r.payments, factor_required = r.factor_required, last_error = r.last_error,
    version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, notice_at timestamptz, debit_from timestamptz, next_try_at timestamptz, tried bigint,
    payments text[], factor_required boolean, last_error jsonb, version bigint,
    updated_at timestamptz)
where e.id = r.id

-- name: mandate
select * from mandates
where id = %(id)s and (%(merchant_id)s::uuid is null or merchant_id = %(merchant_id)s)

-- name: mandates
select * from mandates where id = any(%(ids)s::uuid[])

-- name: mandate_page
select * from mandates
where merchant_id = %(merchant_id)s
    and (%(status)s::text is null or status = %(status)s)
    and (%(customer_id)s::uuid is null or customer_id = %(customer_id)s)
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc limit %(most)s

-- name: execution
select * from mandate_executions
where id = %(id)s and (%(mandate_id)s::uuid is null or mandate_id = %(mandate_id)s)
    and (%(merchant_id)s::uuid is null or merchant_id = %(merchant_id)s)

-- name: execution_page
select * from mandate_executions
where mandate_id = %(mandate_id)s and merchant_id = %(merchant_id)s
    and (%(status)s::text is null or status = %(status)s)
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc limit %(most)s

-- name: of_period
-- The execution that uses up a period, if there is one.
select * from mandate_executions
where mandate_id = %(mandate_id)s and period = %(period)s and (status <> 'canceled' or tried > 0)

-- name: taken
-- Those of these periods that an execution uses up.
select e.mandate_id, e.period
from unnest(%(mandates)s::uuid[], %(periods)s::date[]) as u (mandate_id, period)
join mandate_executions e on e.mandate_id = u.mandate_id and e.period = u.period
where e.status <> 'canceled' or e.tried > 0

-- name: to_schedule
-- Those whose own schedule makes an execution by then.
select * from mandates
where status = 'active' and next_debit_on <= %(day)s
order by next_debit_on, id limit %(most)s

-- name: to_notify
select * from mandate_executions
where status = 'scheduled' and notice_at <= %(now)s
order by notice_at, id limit %(most)s

-- name: to_try
select * from mandate_executions
where status in ('notified', 'retrying') and next_try_at <= %(now)s
order by next_try_at, id limit %(most)s

-- name: to_cancel
-- What waits under a mandate that is over.
select e.* from mandate_executions e join mandates m on m.id = e.mandate_id
where e.status in ('scheduled', 'notified', 'retrying')
    and m.status in ('revoked', 'expired', 'completed')
order by e.id limit %(most)s

-- name: idle_of
select * from mandate_executions
where mandate_id = %(mandate_id)s and status in ('scheduled', 'notified', 'retrying')

-- name: to_expire
-- Their last day is over, and nothing of them is at the rail.
select * from mandates m
where m.status in ('active', 'paused') and m.end_on < %(today)s
order by m.end_on, m.id limit %(most)s

-- name: to_tell
select * from mandates
where tell_at <= %(now)s
order by tell_at, id limit %(most)s
