-- name: lock
select id, version from settlements where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update settlements s
set status = r.status, payout_attempt_id = r.payout_attempt_id, utr = r.utr, version = r.version,
    reserve_released_on = r.reserve_released_on, payout_code = r.payout_code
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, payout_attempt_id uuid, utr text, version bigint,
    reserve_released_on date, payout_code text)
where s.id = r.id

-- name: get
select * from settlements where id = %(id)s

-- name: page
-- Ids are in no order of time here: the cursor's own end says where it stands.
select s.* from settlements s
where (%(merchant_id)s::uuid is null or s.merchant_id = %(merchant_id)s)
    and (%(after)s::uuid is null or (s.ends_at, s.id) < (
        select c.ends_at, c.id from settlements c where c.id = %(after)s))
order by s.ends_at desc, s.id desc
limit %(most)s

-- name: since
select * from settlements
where merchant_id = %(merchant_id)s and business_date >= %(day)s
order by ends_at, currency

-- name: covering
select * from settlements s
where s.merchant_id = %(merchant_id)s and s.currency = %(currency)s and s.livemode = %(livemode)s
    and exists (
        select from unnest(%(days)s::date[]) u (day)
        where u.day <= s.business_date
            and coalesce(s.starts_at, '-infinity')
                < (u.day + 1)::timestamp at time zone 'Asia/Kolkata')
order by s.ends_at

-- name: latest
select s.*
from unnest(%(merchants)s::uuid[], %(currencies)s::text[]) u (merchant_id, currency)
cross join lateral (
    select * from settlements
    where merchant_id = u.merchant_id and currency = u.currency
    order by ends_at desc limit 1) s

-- name: ending
select s.*
from unnest(%(merchants)s::uuid[], %(currencies)s::text[], %(ends)s::timestamptz[])
    u (merchant_id, currency, ends_at)
join settlements s
    on s.merchant_id = u.merchant_id and s.currency = u.currency and s.ends_at = u.ends_at

-- name: to_pay
select * from settlements
where status = 'created' and payout_minor > 0 and pay_on <= %(today)s
order by pay_on, id
limit %(most)s

-- name: to_release
select * from settlements
where reserve_minor > 0 and reserve_released_on is null and release_on <= %(today)s
order by release_on, id
limit %(most)s

-- name: insert_beneficiary
insert into beneficiaries (
    merchant_id, version, account, ifsc, name, usable_from, actor, livemode, created_at
) values (
    %(merchant_id)s, %(version)s, %(account)s, %(ifsc)s, %(holder)s, %(usable_from)s, %(actor)s,
    %(livemode)s, %(created_at)s)

-- name: lock_beneficiaries
-- One change at a time: the merchant's row stands for its accounts.
select id from merchants where id = %(merchant_id)s for no key update

-- name: beneficiaries
-- The account that is used now: the last one whose waiting is over.
select distinct on (merchant_id) merchant_id, version, account, ifsc, name, usable_from, created_at
from beneficiaries
where merchant_id = any(%(merchants)s::uuid[]) and usable_from <= %(now)s
order by merchant_id, version desc

-- name: beneficiary
-- The account that was named last, whether it is used already or not.
select merchant_id, version, account, ifsc, name, usable_from, created_at
from beneficiaries
where merchant_id = %(merchant_id)s
order by version desc
limit 1
