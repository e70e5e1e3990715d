-- name: totals
select (select count(*) from ledger_transactions) as transactions,
       (select count(*) from ledger_entries) as entries,
       (select count(*) from payment_events) as events

-- name: unbalanced_transactions
select count(*) from (
    select 1 from ledger_entries
    group by transaction_id, currency, layer having sum(amount_cents) <> 0) t

-- name: unbalanced_layers
select count(*) from (
    select 1 from ledger_entries
    group by currency, layer, livemode having sum(amount_cents) <> 0) t

-- name: orphaned
-- Transactions without entries, and entries without their transaction.
select (select count(*) from ledger_transactions t
        where not exists (select from ledger_entries e where e.transaction_id = t.id))
     + (select count(*) from ledger_entries e
        where not exists (select from ledger_transactions t where t.id = e.transaction_id))

-- name: wrong_balances
-- Accounts whose two balances or version are not what their entries say, or that stand past
-- their floor or ceiling by another amount than they note.
select count(*) from ledger_accounts a
left join (
    select account_id, max(account_version) as version, count(*) as entries,
           coalesce(sum(amount_cents) filter (where layer = 'posted'), 0) as posted,
           coalesce(sum(amount_cents) filter (where layer = 'pending'), 0) as pending
    from ledger_entries group by account_id) e on e.account_id = a.id
where a.posted <> coalesce(e.posted, 0) or a.pending <> coalesce(e.pending, 0)
   or a.version <> coalesce(e.version, 0) or a.version <> coalesce(e.entries, 0)
   or a.forced <> (
        select greatest(0, a.floor - least(now, promised), greatest(now, promised) - a.ceiling)
        from (select case a.normal_side when 'C' then a.posted else -a.posted end as now,
                     case a.normal_side when 'C' then a.posted + a.pending
                          else -(a.posted + a.pending) end as promised) side)

-- name: wrong_running_balances
-- Entries whose balance after is not the sum of their layer up to them.
select count(*) from (
    select balance_after, sum(amount_cents) over (
        partition by account_id, layer order by account_version) as running
    from ledger_entries) t
where balance_after <> running

-- name: unknown_accounts
select count(*) from ledger_entries e
where not exists (select from ledger_accounts a where a.id = e.account_id)

-- name: wrong_periods
-- Lines of closed months that are not what the entries say, on either side.
with moved as (
    select a.code, e.currency, e.layer, a.livemode,
        date_trunc('month', e.business_date)::date as month, sum(e.amount) as amount,
        sum(e.debit) as debit, sum(e.credit) as credit, sum(e.entries) as entries
    from (
        select account_id, currency, layer, business_date, sum(amount_cents) as amount,
            coalesce(-sum(amount_cents) filter (where amount_cents < 0), 0) as debit,
            coalesce(sum(amount_cents) filter (where amount_cents > 0), 0) as credit,
            count(*) as entries
        from ledger_entries
        where business_date < (select max(month) + interval '1 month' from period_totals)
        group by account_id, currency, layer, business_date) e
    join ledger_accounts a on a.id = e.account_id
    group by 1, 2, 3, 4, 5
),
found as (
    select t.month, m.code, m.currency, m.layer, m.livemode,
        coalesce(sum(m.amount) filter (where m.month < t.month), 0) as opening,
        coalesce(sum(m.debit) filter (where m.month = t.month), 0) as debit,
        coalesce(sum(m.credit) filter (where m.month = t.month), 0) as credit,
        sum(m.amount) as closing,
        coalesce(sum(m.entries) filter (where m.month = t.month), 0) as entries
    from period_totals t join moved m on m.month <= t.month
    group by t.month, m.code, m.currency, m.layer, m.livemode
)
select count(*) from found f
full join period_balances b using (month, code, currency, layer, livemode)
where (f.month is null or b.month is null
        or (f.opening, f.debit, f.credit, f.closing, f.entries)
            <> (b.opening_minor, b.debit_minor, b.credit_minor, b.closing_minor, b.entries))
    and (b.month is not null or f.entries > 0 or f.closing <> 0)

-- name: wrong_verdicts
-- Payments whose verdict is not what their newest label says. Old labels are not kept for ever.
select count(*)
from (
    select distinct on (payment_id) payment_id as id, fraud, known_at
    from risk_labels order by payment_id, known_at desc) l
left join risk_verdicts v using (id)
where (l.fraud, l.known_at) is distinct from (v.fraud, v.known_at)

-- name: events_of
select aggregate_id, version, timestamp as at, merchant_id, livemode, event_type, data
from payment_events
where aggregate_type = %(aggregate_type)s
order by aggregate_id, version

