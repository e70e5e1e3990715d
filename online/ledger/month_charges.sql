-- name: charges_of_month
-- Fees and their GST by merchant, from the transactions that touched its pending account in these
-- days: by service (the second part of the fee account's code), and apart what was taxed from what
-- was not, and what was charged from what was given back.
with touched as (
    select distinct account_id, transaction_id
    from ledger_entries
    where account_id = any(%(accounts)s::uuid[]) and layer = 'posted'
        and business_date >= %(first)s and business_date <= %(last)s
),
charge as (
    select t.account_id, t.transaction_id,
        split_part(max(a.code) filter (where a.code like 'fees:%%'), ':', 2) as service,
        coalesce(sum(e.amount_cents) filter (where a.code like 'fees:%%'), 0) as fee,
        coalesce(sum(e.amount_cents) filter (where a.code = 'tax:igst'), 0) as igst,
        coalesce(sum(e.amount_cents) filter (where a.code = 'tax:cgst'), 0) as cgst,
        coalesce(sum(e.amount_cents) filter (where a.code = 'tax:sgst'), 0) as sgst
    from touched t
    join ledger_entries e on e.transaction_id = t.transaction_id and e.layer = 'posted'
    join ledger_accounts a on a.id = e.account_id
    where a.code like 'fees:%%' or a.code in ('tax:igst', 'tax:cgst', 'tax:sgst')
    group by t.account_id, t.transaction_id
)
select account_id, coalesce(service, '') as service, igst + cgst + sgst <> 0 as taxed,
    fee < 0 as returned, count(*) as count, sum(fee)::bigint as fee_minor,
    sum(igst)::bigint as igst_minor, sum(cgst)::bigint as cgst_minor,
    sum(sgst)::bigint as sgst_minor
from charge
group by 1, 2, 3, 4
order by 1, 2, 3 desc, 4
