-- name: insert
insert into statements (id, merchant_id, start_date, end_date, format, sha256, warehouse_snapshot,
    content, livemode, created_at, number, edition, content_sha256)
values (%(id)s, %(merchant_id)s, %(start_date)s, %(end_date)s, %(format)s, %(sha256)s,
    %(warehouse_snapshot)s, %(content)s, %(livemode)s, %(created_at)s, %(number)s, %(edition)s,
    %(content_sha256)s)
on conflict (id) do nothing

-- name: get
select id, merchant_id, start_date, end_date, format, sha256, warehouse_snapshot, livemode,
    created_at, number, edition, content_sha256
from statements where id = %(id)s

-- name: content
select content from statements where id = %(id)s

-- name: page
-- Newest first; ids of statements say nothing of when they were made.
select id, merchant_id, start_date, end_date, format, sha256, warehouse_snapshot, livemode,
    created_at, number, edition, content_sha256
from statements
where livemode = %(livemode)s
    and (%(merchant_id)s::uuid is null or merchant_id = %(merchant_id)s)
    and (%(start_date)s::date is null or start_date = %(start_date)s)
    and (%(end_date)s::date is null or end_date = %(end_date)s)
    and (%(after)s::uuid is null
        or (created_at, id) < (select s.created_at, s.id from statements s where s.id = %(after)s))
order by created_at desc, id desc
limit %(most)s

-- name: newest
-- The file of the last edition of a period, in one format.
select id, merchant_id, start_date, end_date, format, sha256, warehouse_snapshot, livemode,
    created_at, number, edition, content_sha256
from statements
where merchant_id = %(merchant_id)s and livemode = %(livemode)s and format = %(format)s
    and start_date = %(start_date)s and end_date = %(end_date)s
order by edition desc nulls last, created_at, id
limit 1

-- name: neighbours
-- Of each statement, the first file in its format of the nearest earlier edition, and of the last.
select s.id,
    (select e.id from statements e
     where e.merchant_id = s.merchant_id and e.format = s.format and e.number = s.number
         and e.edition < s.edition
     order by e.edition desc, e.created_at, e.id limit 1) as replaces,
    (select e.id from statements e
     where e.merchant_id = s.merchant_id and e.format = s.format and e.number = s.number
         and e.edition > s.edition
     order by e.edition desc, e.created_at, e.id limit 1) as replaced_by
from statements s where s.id = any(%(ids)s::uuid[])

-- name: lock_numbers
-- Numbers are given out one batch at a time, so that none is skipped and none is given twice.
select pg_advisory_xact_lock(hashtextextended('statement numbers', 0))

-- name: issue
-- A period that is new takes its merchant's next number; one whose books read otherwise than in its
-- last edition, and later, the next edition.
with asked as (
    select distinct on (merchant_id, currency, start_date, end_date) *
    from unnest(%(merchants)s::uuid[], %(currencies)s::text[], %(starts)s::date[], %(ends)s::date[],
        %(snapshots)s::bigint[], %(hashes)s::bytea[]) with ordinality
        as line (merchant_id, currency, start_date, end_date, snapshot, books_sha256, place)
    order by merchant_id, currency, start_date, end_date, place
),
latest as (
    select distinct on (i.merchant_id, i.currency, i.start_date, i.end_date) i.*
    from statement_issues i
    join asked using (merchant_id, currency, start_date, end_date)
    order by i.merchant_id, i.currency, i.start_date, i.end_date, i.edition desc
),
highest as (
    select merchant_id, max(number) as number
    from statement_issues where merchant_id = any(%(merchants)s::uuid[])
    group by merchant_id
)
insert into statement_issues (merchant_id, livemode, number, edition, currency, start_date, end_date,
    warehouse_snapshot, books_sha256, issued_at)
select a.merchant_id, %(livemode)s,
    coalesce(l.number, coalesce(h.number, 0) + row_number() over (
        partition by a.merchant_id, l.number is null
        order by a.start_date, a.end_date, a.currency)),
    coalesce(l.edition, 0) + 1,
    a.currency, a.start_date, a.end_date, a.snapshot, a.books_sha256, %(issued_at)s
from asked a
left join latest l using (merchant_id, currency, start_date, end_date)
left join highest h using (merchant_id)
where l.number is null
    or (l.books_sha256 <> a.books_sha256 and l.warehouse_snapshot < a.snapshot)
returning merchant_id, currency, start_date, end_date

-- name: issues
-- The last edition of each period that is asked for, and the one before it.
select i.merchant_id, i.livemode, i.number, i.edition, i.currency, i.start_date, i.end_date,
    i.warehouse_snapshot, i.books_sha256, i.issued_at
from unnest(%(merchants)s::uuid[], %(currencies)s::text[], %(starts)s::date[], %(ends)s::date[])
    as asked (merchant_id, currency, start_date, end_date)
cross join lateral (
    select e.* from statement_issues e
    where e.merchant_id = asked.merchant_id and e.currency = asked.currency
        and e.start_date = asked.start_date and e.end_date = asked.end_date
    order by e.edition desc limit 2) i
order by i.edition

-- name: is_issued
select exists (
    select from statement_issues
    where merchant_id = %(merchant_id)s and livemode = %(livemode)s and number = %(number)s
        and edition = %(edition)s and start_date = %(start_date)s and end_date = %(end_date)s)
