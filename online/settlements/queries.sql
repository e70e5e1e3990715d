-- name: lock
select id, version from settlements where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update settlements s
set status = r.status, payout_attempt_id = r.payout_attempt_id, utr = r.utr, version = r.version
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, payout_attempt_id uuid, utr text, version bigint)
where s.id = r.id

-- name: by_ids
select * from settlements where id = any(%(ids)s::uuid[])

-- name: since
select * from settlements
where merchant_id = %(merchant_id)s and business_date >= %(day)s
order by business_date, currency

-- name: is_settled
select exists (
    select from settlements
    where merchant_id = %(merchant_id)s and currency = %(currency)s and livemode = %(livemode)s
        and business_date = any(%(days)s::date[]))
