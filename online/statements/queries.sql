-- name: insert
insert into statements (id, merchant_id, start_date, end_date, format, sha256, warehouse_snapshot,
    content, livemode, created_at)
values (%(id)s, %(merchant_id)s, %(start_date)s, %(end_date)s, %(format)s, %(sha256)s,
    %(warehouse_snapshot)s, %(content)s, %(livemode)s, %(created_at)s)
on conflict (id) do nothing

-- name: get
select id, merchant_id, start_date, end_date, format, sha256, warehouse_snapshot, livemode,
    created_at
from statements where id = %(id)s

-- name: content
select content from statements where id = %(id)s
