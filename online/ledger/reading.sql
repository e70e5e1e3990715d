-- name: posted
-- Which of these causes have posted under these kinds.
select t.cause, t.kind
from ledger_transactions t
join unnest(%(causes)s::uuid[], %(kinds)s::text[]) u (cause, kind)
    on t.cause = u.cause and t.kind = u.kind

-- name: held
select posted as posted_minor, pending as pending_minor, ceiling as ceiling_minor
from ledger_accounts where id = %(id)s

-- name: pending_standings
-- What each pending account took in and gave back in a span, in the merchant's sign (credit
-- positive), what it holds from before it, and what it holds now. Charges (fee and tax) are one leg
-- there, of its own, and come back with the sign turned; the other legs of the same transactions
-- tell fee and tax apart. What comes free of a reserve or an escrow is released, what is set aside
-- in an escrow is the same with the sign turned. Settling takes the money of earlier spans away and
-- is no part of one; a kind that nobody named here is in no sum either, so that the batch that counts
-- it is refused.
with asked as (
    select n, account_id, starts_at, ends_at
    from unnest(%(accounts)s::uuid[], %(starts)s::timestamptz[], %(ends)s::timestamptz[])
        with ordinality u (account_id, starts_at, ends_at, n)
),
wanted as (
    -- Who was never settled begins after the day that another system settled last, if any.
    select n, account_id, ends_at,
        case when starts_at is not null then starts_at else coalesce((
            select (max(e.business_date) + 1)::timestamp at time zone 'Asia/Kolkata'
            from ledger_entries e
            join ledger_transactions t on t.id = e.transaction_id and t.kind = 'cutover'
            where e.account_id = asked.account_id), '-infinity') end as starts_at
    from asked
),
moved as (
    select w.n, e.transaction_id, e.amount_cents, at.moment < w.ends_at as within,
        case
            when t.kind in ('refund_requested', 'refund_failed') then 'refund'
            when t.kind in ('dispute_opened', 'dispute_won') then 'dispute'
            when t.kind in ('dispute_fee', 'fee_returned') then 'charge'
            when t.kind = 'reserve_released' or starts_with(t.kind, 'escrow_') then 'release'
            when t.kind not in ('capture', 'reversal') then null
            -- A capture pays in its amount and is charged; a reversal turns both around.
            when (t.kind = 'capture') = (e.amount_cents > 0) then 'gross'
            else 'charge'
        end as part
    from wanted w
    join ledger_entries e
        on e.account_id = w.account_id and e.layer = 'posted'
            and e.business_date >= (w.starts_at at time zone 'Asia/Kolkata')::date
    join ledger_transactions t on t.id = e.transaction_id
    cross join lateral (
        select least(
            greatest(e.effective_at, e.business_date::timestamp at time zone 'Asia/Kolkata'),
            (e.business_date + 1)::timestamp at time zone 'Asia/Kolkata' - interval '1 microsecond'
        ) as moment) at
    where at.moment >= w.starts_at and t.kind not in ('settlement', 'cutover')
),
taxed as (
    select c.n, sum(e.amount_cents) as tax
    from (select distinct n, transaction_id from moved where within and part = 'charge') c
    join ledger_entries e on e.transaction_id = c.transaction_id and e.layer = 'posted'
    join ledger_accounts a on a.id = e.account_id
    where a.code in ('tax:igst', 'tax:cgst', 'tax:sgst')
    group by c.n
),
summed as (
    select n, sum(amount_cents) as since,
        sum(amount_cents) filter (where within and part = 'gross') as gross,
        -sum(amount_cents) filter (where within and part = 'refund') as refunds,
        -sum(amount_cents) filter (where within and part = 'dispute') as disputes,
        -sum(amount_cents) filter (where within and part = 'charge') as charged,
        sum(amount_cents) filter (where within and part = 'release') as released
    from moved group by n
)
select
    coalesce(s.gross, 0)::bigint as gross_minor,
    coalesce(s.refunds, 0)::bigint as refunds_minor,
    coalesce(s.disputes, 0)::bigint as disputes_minor,
    (coalesce(s.charged, 0) - coalesce(x.tax, 0))::bigint as fees_minor,
    coalesce(x.tax, 0)::bigint as tax_minor,
    coalesce(s.released, 0)::bigint as released_minor,
    (coalesce(a.posted, 0) - coalesce(s.since, 0))::bigint as carried_minor,
    coalesce(a.posted, 0)::bigint as balance_minor
from wanted w
left join summed s on s.n = w.n
left join taxed x on x.n = w.n
left join ledger_accounts a on a.id = w.account_id
order by w.n

-- name: pending_lines
-- The entries of a span, in the order of posting; the cursor is the id of one of them.
select e.id, e.transaction_id, t.kind, t.reference, t.metadata ->> 'payment_id' as payment_id,
    e.amount_cents as amount_minor, e.effective_at as occurred_at
from ledger_entries e
join ledger_transactions t on t.id = e.transaction_id
cross join lateral (
    select least(
        greatest(e.effective_at, e.business_date::timestamp at time zone 'Asia/Kolkata'),
        (e.business_date + 1)::timestamp at time zone 'Asia/Kolkata' - interval '1 microsecond'
    ) as moment) at
where e.account_id = %(account)s and e.layer = 'posted'
    and e.business_date between
        (coalesce(%(starts_at)s::timestamptz, '-infinity') at time zone 'Asia/Kolkata')::date
        and (%(ends_at)s::timestamptz at time zone 'Asia/Kolkata')::date
    and at.moment >= coalesce(%(starts_at)s::timestamptz, '-infinity')
    and at.moment < %(ends_at)s::timestamptz
    and t.kind not in ('settlement', 'cutover')
    and (%(after)s::uuid is null or e.account_version > (
        select account_version from ledger_entries
        where id = %(after)s and account_id = %(account)s))
order by e.account_version
limit %(most)s
