-- name: hold_chain
-- One seal at a time: whoever comes next sees the one before.
select pg_advisory_xact_lock(82773705769297)

-- name: by_number
select * from seals where number = %(number)s

-- name: last
select * from seals order by number desc limit 1

-- name: of_day
select * from seals where day = %(day)s order by part

-- name: read_before
-- How far the warehouse had read when a day began: whatever it has of that day came later.
select coalesce(max(upto_xid), 0) from seals where epoch = %(epoch)s and sealed_at <= %(at)s

-- name: insert
insert into seals (number, previous, day, part, events_root, events_size, entries_root,
    entries_size, audit_root, audit_size, epoch, upto_xid, sealed_at, hash, key_id, public_key,
    signature)
values (%(number)s, %(previous)s, %(day)s, %(part)s, %(events_root)s, %(events_size)s,
    %(entries_root)s, %(entries_size)s, %(audit_root)s, %(audit_size)s, %(epoch)s, %(upto_xid)s,
    %(sealed_at)s, %(hash)s, %(key_id)s, %(public_key)s, %(signature)s)

-- name: page
select * from seals
where (%(day)s::date is null or day = %(day)s)
    and (%(after)s::bigint is null or number < %(after)s)
order by number desc
limit %(most)s

-- name: keys
select distinct key_id, public_key as value from seals order by key_id
