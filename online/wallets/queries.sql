-- name: lock_wallets
select id, version from wallets where id = any(%(ids)s::uuid[]) order by id for update

-- name: update_wallets
update wallets w
set kind = r.kind, status = r.status, sweep_at = r.sweep_at, version = r.version,
    updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, kind text, status text, sweep_at timestamptz, version bigint, updated_at timestamptz)
where w.id = r.id

-- name: lock_top_ups
select id, version from top_ups where id = any(%(ids)s::uuid[]) order by id for update

-- name: update_top_ups
update top_ups t
set status = r.status, rail_reference = r.rail_reference, credited = r.credited,
    returning_minor = r.returning_minor, return_due_minor = r.return_due_minor,
    returned_minor = r.returned_minor, return_tries = r.return_tries,
    return_due_at = r.return_due_at, next_action = r.next_action, last_error = r.last_error,
    version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, rail_reference text, credited boolean, returning_minor bigint,
    return_due_minor bigint, returned_minor bigint, return_tries smallint,
    return_due_at timestamptz, next_action jsonb, last_error jsonb, version bigint,
    updated_at timestamptz)
where t.id = r.id

-- name: wallet
select * from wallets where id = %(id)s

-- name: wallet_of
select * from wallets where customer_id = %(customer_id)s and merchant_id = %(merchant_id)s

-- name: sweeping
select * from wallets where sweep_at <= %(now)s order by sweep_at limit %(most)s

-- name: top_up
select * from top_ups where id = %(id)s

-- name: top_up_of_merchant
select * from top_ups where id = %(id)s and merchant_id = %(merchant_id)s

-- name: top_ups
select * from top_ups
where wallet_id = %(wallet_id)s and (%(after)s::uuid is null or id < %(after)s)
order by id desc limit %(most)s

-- name: has_top_ups
select exists (select from top_ups where wallet_id = %(wallet_id)s and status <> 'failed')

-- name: returnable
-- Those that still hold something of what they brought, the newest first.
select * from top_ups
where wallet_id = %(wallet_id)s and status = 'succeeded'
    and returning_minor + return_due_minor + returned_minor < amount_minor
order by id desc limit %(most)s

-- name: returning
select coalesce(sum(returning_minor + return_due_minor), 0)::bigint from top_ups
where wallet_id = %(wallet_id)s and returning_minor + return_due_minor > 0

-- name: return_due
-- Whoever begins a return moves the top-up's version: of two workers one is refused.
select * from top_ups where return_due_at <= %(now)s order by return_due_at limit %(most)s
