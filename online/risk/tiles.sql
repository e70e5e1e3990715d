-- name: complete
-- Series that may be read.
select id from risk_series where complete

-- name: written
select id from risk_series where written

-- name: mark
update risk_series set written = %(written)s, complete = %(complete)s where id = %(series)s

-- name: clear
-- A part of what was added to a series before it was switched off.
delete from risk_tiles where ctid = any(array(
    select ctid from risk_tiles where series = %(series)s limit %(most)s))

-- name: fill
select risk_tiles_fill(%(series)s::smallint)

-- name: one_at_a_time
select pg_advisory_lock(hashtextextended('risk-tiles', 0))

-- name: forget_activity
delete from risk_activity where ctid = any(array(
    select ctid from risk_activity where at < %(before)s::timestamptz order by at limit %(most)s))

-- name: forget_labels
delete from risk_labels where ctid = any(array(
    select ctid from risk_labels where known_at < %(before)s::timestamptz
    order by known_at limit %(most)s))

-- name: forget_tiles
delete from risk_tiles where ctid = any(array(
    select ctid from risk_tiles where starts_at < %(before)s::timestamptz
    order by starts_at limit %(most)s))
