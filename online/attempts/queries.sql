-- name: lock
select id, version from attempts where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update attempts a
set status = r.status, rail_reference = r.rail_reference, code = r.code, enquiries = r.enquiries,
    next_enquiry_at = r.next_enquiry_at, version = r.version,
    claimed_until = null -- whoever asked has an answer: a rail's hint may ask again at once
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, rail_reference text, code text, enquiries smallint,
    next_enquiry_at timestamptz, version bigint)
where a.id = r.id

-- name: get
select * from attempts where id = %(id)s

-- name: of_payment
select * from attempts where payment_id = %(payment_id)s order by id

-- name: due
-- Open attempts whose next enquiry is due, each claimed for a while so that two recovery
-- processes do not ask about the same one. The claim is no state of the attempt: it moves no
-- version, and a rebuilt row may differ in it alone.
update attempts set claimed_until = %(claim_until)s
where id in (
    select id from attempts
    where status in ('sent', 'pending', 'unknown') and next_enquiry_at <= %(now)s
        and (claimed_until is null or claimed_until <= %(now)s)
    order by next_enquiry_at
    limit %(most)s
    for update skip locked)
returning *

-- name: claim
update attempts set claimed_until = %(claim_until)s
where id = %(id)s and status in ('pending', 'unknown') -- `sent`: its call is still on the line
    and (claimed_until is null or claimed_until <= %(now)s)
returning *

-- name: open_of
-- A refund's attempt is open for the refund alone, not for the payment it is of.
select distinct u.id from unnest(%(resources)s::uuid[]) u (id)
join attempts a on a.payment_id = u.id
where a.refund_id is null and a.status in ('sent', 'pending', 'unknown')
union
select a.refund_id from attempts a
where a.refund_id = any(%(resources)s::uuid[]) and a.status in ('sent', 'pending', 'unknown')

-- name: open_before
select count(*) from attempts
where status in ('sent', 'pending', 'unknown') and sent_at < %(instant)s

-- name: modes
select id, livemode from attempts where id = any(%(ids)s::uuid[])
