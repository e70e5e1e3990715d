-- name: events
-- In the order they happened; several of one change share their instant.
select id, aggregate_id, event_type, version, timestamp as at, data
from payment_events
where aggregate_id = any(%(aggregates)s::uuid[])
order by timestamp, id, aggregate_id, version

-- name: legs
-- The transactions that these caused, a row a leg.
select t.id as transaction_id, t.cause, t.kind, t.reference, t.business_date, t.effective_at,
    t.created_at, e.id, e.amount_cents as amount_minor, e.currency, e.layer, a.code
from ledger_transactions t
join ledger_entries e on e.transaction_id = t.id
join ledger_accounts a on a.id = e.account_id
where t.cause = any(%(causes)s::uuid[])
order by t.created_at, t.id, e.layer desc, abs(e.amount_cents) desc, e.amount_cents, e.id
