-- name: entries_of
-- Those of a business day; none of them was written before transaction %(low)s.
select count(*) from ledger_entries
where xid >= %(low)s::text::xid8 and business_date = %(day)s

-- name: entry_days
select distinct business_date as day from ledger_entries
where business_date >= %(first)s and business_date <= %(last)s
order by day

-- name: events_of
select count(*) from payment_events
where xid >= %(low)s::text::xid8 and timestamp >= %(begin)s and timestamp < %(end)s
