-- name: hold_numbers
-- Numbers are given to one call at a time, so that none is left out.
select pg_advisory_xact_lock(1229870671)

-- name: last_numbers
select series, max(sequence) as sequence from invoices
where series = any(%(series)s::text[]) group by series

-- name: of_month
select * from invoices
where month = %(month)s and currency = %(currency)s
    and merchant_id = any(%(merchants)s::uuid[])

-- name: originals
select merchant_id, month, number, issued_on, livemode from invoices
where kind = 'invoice' and merchant_id = any(%(merchants)s::uuid[])
    and month = any(%(months)s::date[]) and currency = %(currency)s
order by merchant_id, month

-- name: insert
insert into invoices (id, merchant_id, month, currency, kind, series, sequence, number, issued_on,
    total_minor, document, livemode, created_at)
select id, merchant_id, month, currency, kind, series, sequence, number, issued_on, total_minor,
    document, livemode, created_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, merchant_id uuid, month date, currency text, kind text, series text,
    sequence integer, number text, issued_on date, total_minor bigint, document jsonb,
    livemode boolean, created_at timestamptz)

-- name: get
select * from invoices where id = %(id)s

-- name: page
select * from invoices
where (%(merchant_id)s::uuid is null or merchant_id = %(merchant_id)s)
    and (%(month)s::date is null or month = %(month)s)
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s

-- name: keep_file
insert into invoice_files (invoice_id, format, sha256, content, created_at)
values (%(invoice_id)s, %(format)s, %(sha256)s, %(content)s, %(created_at)s)
on conflict do nothing

-- name: file_hash
select sha256 from invoice_files where invoice_id = %(invoice_id)s and format = %(format)s

-- name: file_content
select content from invoice_files where invoice_id = %(invoice_id)s and format = %(format)s

-- name: formats
select invoice_id, format from invoice_files where invoice_id = any(%(ids)s::uuid[])
order by 1, 2
