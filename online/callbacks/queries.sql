-- name: store
-- In one order, so that two processes that store the same ones at once do not lock each other out.
with given as (
    select * from unnest(
        %(ids)s::uuid[], %(rails)s::text[], %(callback_ids)s::text[], %(received)s::timestamptz[],
        %(secrets)s::smallint[], %(digests)s::bytea[], %(raws)s::bytea[], %(raw_keys)s::text[])
        as g (id, rail, callback_id, received_at, secret, digest, raw, raw_key)),
added as (
    insert into rail_callbacks (
        id, rail, callback_id, received_at, secret, digest, raw, raw_key, next_try_at)
    select id, rail, callback_id, received_at, secret, digest, raw, raw_key,
        received_at + %(first_try)s::interval
    from given
    order by rail, callback_id, id
    on conflict (rail, callback_id) do nothing
    returning id)
select g.id, a.id is not null as added, o.digest is distinct from g.digest as differs
from given g
left join added a on a.id = g.id
left join rail_callbacks o on o.rail = g.rail and o.callback_id = g.callback_id

-- name: claim
-- Nobody else takes these up before their next try; later and later.
with due as (
    select id from rail_callbacks
    where next_try_at <= %(now)s
    order by next_try_at
    limit %(most)s
    for update skip locked)
update rail_callbacks c
set tries = c.tries + 1,
    next_try_at = %(now)s + least(%(longest)s::interval, interval '1 second' * 2 ^ (c.tries + 2))
from due
where c.id = due.id
returning c.id, c.rail, c.raw, c.raw_key, c.tries

-- name: conclude
update rail_callbacks
set verdict = %(verdict)s,
    processed_at = case when %(verdict)s::text is not null then %(now)s::timestamptz end,
    next_try_at = case when %(verdict)s::text is null then next_try_at end,
    reference = %(reference)s, sequence = %(sequence)s, occurred_at = %(occurred_at)s,
    error = %(error)s
where id = %(id)s and verdict is null

-- name: newest
-- The last that was told of a reference, in the rail's own order.
select sequence, occurred_at from rail_callbacks
where rail = %(rail)s and reference = %(reference)s and verdict = any(%(verdicts)s::text[])
order by sequence desc, occurred_at desc
limit 1

-- name: page
select id, rail, callback_id, received_at, secret, tries, next_try_at, processed_at, verdict,
    reference, sequence, occurred_at, error
from rail_callbacks
where (%(rail)s::text is null or rail = %(rail)s)
    and (%(reference)s::text is null or reference = %(reference)s)
    and (%(verdict)s::text is null or verdict = %(verdict)s)
    and (%(waiting)s::boolean is null or (next_try_at is not null) = %(waiting)s)
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s

-- name: forget
select khata_forget_rail_callbacks(%(before)s::timestamptz, %(most)s::integer)
