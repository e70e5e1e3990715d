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

-- name: events_of
select aggregate_id, version, timestamp as at, merchant_id, livemode, event_type, data
from payment_events
where aggregate_type = %(aggregate_type)s
order by aggregate_id, version

