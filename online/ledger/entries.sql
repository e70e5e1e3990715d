-- name: accounts
-- By code: accounts have no order in time. Stripes are one account.
select code, currency, livemode, min(normal_side) as normal_side,
    (array_agg(merchant_id))[1] as merchant_id, array_agg(id order by stripe) as parts,
    sum(posted)::bigint as posted_minor, sum(pending)::bigint as pending_minor
from ledger_accounts
where (%(merchant_id)s::uuid is null or merchant_id = %(merchant_id)s)
    and (%(livemode)s::boolean is null or livemode = %(livemode)s)
    and (code, currency, livemode) > (%(after_code)s::text, %(after_currency)s::text,
        %(after_livemode)s::boolean)
group by code, currency, livemode
order by code, currency, livemode
limit %(most)s

-- name: account
select code, currency, livemode, min(normal_side) as normal_side,
    (array_agg(merchant_id))[1] as merchant_id, array_agg(id order by stripe) as parts,
    sum(posted)::bigint as posted_minor, sum(pending)::bigint as pending_minor
from ledger_accounts
where code = %(code)s and currency = %(currency)s and livemode = %(livemode)s
group by code, currency, livemode

-- name: named
-- What the account of an id is called; the id may be that of any of its stripes.
select code, currency, livemode from ledger_accounts where id = %(id)s

-- name: striped
-- The few accounts that have more stripes than the first.
select distinct code, currency, livemode from ledger_accounts where stripe > 0

-- name: outside
-- What a cut leaves out, by account and layer. Three parts, each by an index: whole days behind
-- the cut, its last day, and what came late to earlier days (none of them is out otherwise: the
-- cut's day is not after the day of either of its instants).
select e.account_id, e.layer, sum(e.amount_cents)::bigint as amount_minor
from unnest(%(accounts)s::uuid[]) a (id), lateral (
    select account_id, layer, amount_cents from ledger_entries
    where account_id = a.id and business_date > %(day)s::date
    union all
    select account_id, layer, amount_cents from ledger_entries
    where account_id = a.id and business_date = %(day)s::date
        and (effective_at > coalesce(%(effective)s::timestamptz, 'infinity')
            or created_at > coalesce(%(known)s::timestamptz, 'infinity'))
    union all
    select account_id, layer, amount_cents from ledger_entries
    where account_id = a.id and business_date < %(day)s::date
        and business_date < (greatest(effective_at, created_at) at time zone 'Asia/Kolkata')::date
        and greatest(effective_at, created_at) > least(
            coalesce(%(effective)s::timestamptz, 'infinity'),
            coalesce(%(known)s::timestamptz, 'infinity'))
        and (effective_at > coalesce(%(effective)s::timestamptz, 'infinity')
            or created_at > coalesce(%(known)s::timestamptz, 'infinity'))
) e
group by e.account_id, e.layer

-- name: page
-- The cut's entries behind a place, newest first. Each stripe is read along its index, then
-- merged. Between entries of one instant the stripe's id decides, then its version: what stripe
-- the place is in says from which version on an entry of that instant lies behind it.
select e.*, t.kind, t.reference
from (
    select e.* from unnest(%(accounts)s::uuid[]) a (id), lateral (
        select id, transaction_id, account_id, account_version, amount_cents as amount_minor,
            currency, entry_type, balance_after, layer, business_date, effective_at, created_at
        from ledger_entries
        where account_id = a.id and layer = %(layer)s
            and business_date <= coalesce(%(day)s::date, 'infinity')
            and effective_at <= coalesce(%(effective)s::timestamptz, 'infinity')
            and created_at <= coalesce(%(known)s::timestamptz, 'infinity')
            and (business_date, effective_at, account_version) < (
                coalesce(%(after_day)s::date, 'infinity'),
                coalesce(%(after_instant)s::timestamptz, 'infinity'),
                case when a.id = %(after_account)s::uuid then %(after_version)s::bigint
                    when a.id > %(after_account)s::uuid then 0
                    else 9223372036854775807 end)
        order by business_date desc, effective_at desc, account_version desc
        limit %(most)s) e
    order by e.business_date desc, e.effective_at desc, e.account_id desc, e.account_version desc
    limit %(most)s) e
join ledger_transactions t on t.id = e.transaction_id
order by e.business_date desc, e.effective_at desc, e.account_id desc, e.account_version desc

-- name: from_place
-- The sum of the cut's entries from a place on, that place included.
select coalesce(sum(e.amount_cents), 0)::bigint
from unnest(%(accounts)s::uuid[]) a (id), lateral (
    select amount_cents from ledger_entries
    where account_id = a.id and layer = %(layer)s
        and business_date <= coalesce(%(day)s::date, 'infinity')
        and effective_at <= coalesce(%(effective)s::timestamptz, 'infinity')
        and created_at <= coalesce(%(known)s::timestamptz, 'infinity')
        and (business_date, effective_at, account_version) >= (
            %(after_day)s::date, %(after_instant)s::timestamptz,
            case when a.id = %(after_account)s::uuid then %(after_version)s::bigint
                when a.id > %(after_account)s::uuid then 0
                else 9223372036854775807 end)) e

-- name: place
select business_date, effective_at, account_id, account_version from ledger_entries
where id = %(id)s and account_id = any(%(accounts)s::uuid[])
