-- name: charged
-- What transactions of one kind moved, by what it was: the merchant's money, the fee, each tax.
-- Credit positive; a merchant's fee leg is left out, since the fee and tax legs say it already.
select
    coalesce(sum(e.amount_cents) filter (
        where a.code like 'merchant:%%:pending' and e.amount_cents > 0), 0)::bigint as amount_minor,
    coalesce(sum(e.amount_cents) filter (where a.code = 'fees:mdr'), 0)::bigint as fee_minor,
    coalesce(sum(e.amount_cents) filter (where a.code = 'tax:igst'), 0)::bigint as igst_minor,
    coalesce(sum(e.amount_cents) filter (where a.code = 'tax:cgst'), 0)::bigint as cgst_minor,
    coalesce(sum(e.amount_cents) filter (where a.code = 'tax:sgst'), 0)::bigint as sgst_minor
from ledger_transactions t
join ledger_entries e on e.transaction_id = t.id and e.layer = 'posted'
join ledger_accounts a on a.id = e.account_id
where t.cause = any(%(causes)s::uuid[]) and t.kind = %(kind)s

-- name: capture_days
select distinct business_date as day from ledger_transactions
where cause = any(%(causes)s::uuid[]) and kind = 'capture'
