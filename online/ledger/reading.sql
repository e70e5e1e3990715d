-- name: posted
-- Which of these causes have posted under these kinds.
select t.cause, t.kind
from ledger_transactions t
join unnest(%(causes)s::uuid[], %(kinds)s::text[]) u (cause, kind)
    on t.cause = u.cause and t.kind = u.kind

-- name: pending_day_sums
-- What each merchant's pending account took in and gave back on a business day, in the merchant's
-- sign (credit positive). Charges (fee and tax) are one leg there, of its own, and come back with
-- the sign turned; the other legs of the same transactions tell fee and tax apart. Settling takes
-- the day's money away and is not part of it; a kind that nobody named here is not either, so
-- that the batch that counts it differs, and is refused.
with wanted as (
    select account_id, business_date
    from unnest(%(accounts)s::uuid[], %(days)s::date[]) u (account_id, business_date)
),
moved as (
    select w.account_id, w.business_date, e.transaction_id, e.amount_cents,
        case
            when t.kind in ('refund_requested', 'refund_failed') then 'refund'
            when t.kind in ('dispute_opened', 'dispute_won') then 'dispute'
            when t.kind in ('dispute_fee', 'fee_returned') then 'charge'
            -- A capture pays in its amount and is charged; a reversal turns both around.
            when (t.kind = 'capture') = (e.amount_cents > 0) then 'gross'
            else 'charge'
        end as part
    from wanted w
    join ledger_entries e
        on e.account_id = w.account_id and e.business_date = w.business_date
            and e.layer = 'posted'
    join ledger_transactions t on t.id = e.transaction_id
    where t.kind in ('capture', 'reversal', 'refund_requested', 'refund_failed', 'fee_returned',
        'dispute_opened', 'dispute_won', 'dispute_fee')
),
taxed as (
    select c.account_id, c.business_date, sum(e.amount_cents) as tax
    from (select distinct account_id, business_date, transaction_id from moved
          where part = 'charge') c
    join ledger_entries e on e.transaction_id = c.transaction_id and e.layer = 'posted'
    join ledger_accounts a on a.id = e.account_id
    where a.code in ('tax:igst', 'tax:cgst', 'tax:sgst')
    group by 1, 2
),
summed as (
    select account_id, business_date,
        sum(amount_cents) filter (where part = 'gross') as gross,
        -sum(amount_cents) filter (where part = 'refund') as refunds,
        -sum(amount_cents) filter (where part = 'dispute') as disputes,
        -sum(amount_cents) filter (where part = 'charge') as charged
    from moved group by 1, 2
)
select s.account_id, s.business_date,
    coalesce(s.gross, 0)::bigint as gross_minor,
    coalesce(s.refunds, 0)::bigint as refunds_minor,
    coalesce(s.disputes, 0)::bigint as disputes_minor,
    (coalesce(s.charged, 0) - coalesce(t.tax, 0))::bigint as fees_minor,
    coalesce(t.tax, 0)::bigint as tax_minor
from summed s
left join taxed t on t.account_id = s.account_id and t.business_date = s.business_date
