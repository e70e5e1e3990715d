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

-- name: of_order
select * from attempts where order_id = %(order_id)s order by id

-- name: due
-- Open attempts whose next enquiry is due, each claimed for a while so that two recovery
-- processes do not ask about the same one; rail by rail, so that none hides another's. The claim
-- is no state of the attempt: it moves no version, and a rebuilt row may differ in it alone.
with due as (
    select d.id
    from unnest(%(rails)s::text[], %(places)s::int[]) as p (rail, most)
    cross join lateral (
        select a.id from attempts a
        where a.rail = p.rail and a.status in ('sent', 'pending', 'unknown', 'deemed')
            and a.next_enquiry_at <= %(now)s
            and (a.claimed_until is null or a.claimed_until <= %(now)s)
            and a.id <> all (%(waiting)s::uuid[])
        order by a.next_enquiry_at
        limit p.most
        for update skip locked) d)
update attempts a set claimed_until = %(claim_until)s
from due where a.id = due.id
returning a.*

-- name: take
update attempts set claimed_until = %(claim_until)s
where id = %(id)s and status in ('sent', 'pending', 'unknown', 'deemed') and claimed_until = %(claim)s
returning *

-- name: claim
update attempts set claimed_until = %(claim_until)s
where id = %(id)s
    and (status in ('pending', 'unknown', 'deemed') or (status = 'sent' and next_enquiry_at <= %(now)s))
    and (claimed_until is null or claimed_until <= %(now)s)
returning *

-- name: page
-- Few are open: they are read by their own index and sorted.
select a.* from attempts a
left join unnest(%(rails)s::text[], %(of_unknown)s::int[], %(of_pending)s::int[])
    as l (rail, of_unknown, of_pending) on l.rail = a.rail
where a.status in ('sent', 'pending', 'unknown', 'deemed') and a.livemode = %(livemode)s
    and (%(status)s::text is null or a.status = %(status)s)
    and (%(rail)s::text is null or a.rail = %(rail)s)
    and (%(operation)s::text is null or a.operation = %(operation)s)
    and (%(sent_before)s::timestamptz is null or a.sent_at < %(sent_before)s)
    and (%(overdue)s::boolean is null or %(overdue)s = coalesce(a.enquiries >=
        case a.status when 'pending' then l.of_pending else l.of_unknown end, true))
    and (%(after)s::uuid is null or a.id < %(after)s)
order by a.id desc limit %(most)s

-- name: standing
select a.livemode, a.rail, a.status, count(*) as attempts, min(a.sent_at) as oldest_sent_at,
    count(*) filter (where coalesce(a.enquiries >=
        case a.status when 'pending' then l.of_pending else l.of_unknown end, true)) as overdue
from attempts a
left join unnest(%(rails)s::text[], %(of_unknown)s::int[], %(of_pending)s::int[])
    as l (rail, of_unknown, of_pending) on l.rail = a.rail
where a.status in ('sent', 'pending', 'unknown', 'deemed')
group by a.livemode, a.rail, a.status

-- name: open_of
-- A refund's attempt is open for the refund alone, not for the payment it is of.
select distinct u.id from unnest(%(resources)s::uuid[]) u (id)
join attempts a on a.payment_id = u.id
where a.refund_id is null and a.status in ('sent', 'pending', 'unknown')
union
select a.refund_id from attempts a
where a.refund_id = any(%(resources)s::uuid[]) and a.status in ('sent', 'pending', 'unknown')

-- name: under_way
-- Payments with an open attempt of that operation.
select distinct payment_id as id from attempts
where payment_id = any(%(payments)s::uuid[]) and operation = %(operation)s
    and status in ('sent', 'pending', 'unknown', 'deemed')

-- name: open_before
select count(*) from attempts
where status in ('sent', 'pending', 'unknown') and sent_at < %(instant)s

-- name: modes
select id, livemode from attempts where id = any(%(ids)s::uuid[])
