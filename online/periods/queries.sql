-- name: periods
select p.*, t.accounts, t.entries, t.totals, t.sha256
from periods p left join period_totals t on t.month = p.month
where %(month)s::date is null or p.month = %(month)s
order by p.month desc

-- name: last_closed
select max(month) from periods

-- name: earliest
-- Once in the life of the books: there is no index by business date.
select min(business_date) from ledger_transactions

-- name: close
-- From here to the commit nothing is posted.
insert into periods (month, closed_by, closed_at)
values (%(month)s, %(closed_by)s, %(closed_at)s)
on conflict do nothing

-- name: record_balances
-- The month's trial balance, from the entries alone. It is closed: they move no more.
insert into period_balances (month, code, currency, layer, livemode, opening_minor, debit_minor,
    credit_minor, closing_minor, entries)
select %(month)s, a.code, e.currency, e.layer, a.livemode,
    sum(e.opening), sum(e.debit), sum(e.credit), sum(e.closing), sum(e.entries)
from (
    select account_id, currency, layer,
        coalesce(sum(amount_cents) filter (where business_date < %(month)s), 0) as opening,
        coalesce(-sum(amount_cents) filter (
            where business_date >= %(month)s and amount_cents < 0), 0) as debit,
        coalesce(sum(amount_cents) filter (
            where business_date >= %(month)s and amount_cents > 0), 0) as credit,
        sum(amount_cents) as closing,
        count(*) filter (where business_date >= %(month)s) as entries
    from ledger_entries
    where business_date < %(after)s
    group by account_id, currency, layer) e
join ledger_accounts a on a.id = e.account_id
group by a.code, e.currency, e.layer, a.livemode
having sum(e.entries) > 0 or sum(e.closing) <> 0
on conflict do nothing

-- name: record_totals
-- The hash is over the lines in the order of their bytes, so that anybody with the entries can
-- come to the same.
insert into period_totals (month, accounts, entries, totals, sha256, recorded_at)
select %(month)s, coalesce(sum(accounts), 0), coalesce(sum(entries), 0),
    coalesce(jsonb_agg(jsonb_build_object('currency', currency, 'layer', layer,
        'livemode', livemode, 'entries', entries, 'debit', debit, 'credit', credit)
        order by currency, layer, livemode), '[]'),
    (select sha256(convert_to(coalesce(string_agg(line, '' order by line collate "C"), ''), 'UTF8'))
     from (select concat_ws('|', code, currency, layer,
               case when livemode then 'live' else 'test' end, opening_minor, debit_minor,
               credit_minor, closing_minor, entries) || E'\n' as line
           from period_balances where month = %(month)s) lines),
    %(recorded_at)s
from (
    select currency, layer, livemode, count(*) as accounts, sum(entries) as entries,
        sum(debit_minor) as debit, sum(credit_minor) as credit
    from period_balances where month = %(month)s
    group by currency, layer, livemode) sums
on conflict do nothing

-- name: balances
-- By code; the id is what the next page begins behind.
select * from (
    select concat_ws('/', code, currency, layer, case when livemode then 'live' else 'test' end)
            collate "C" as id,
        code, currency, layer, livemode, opening_minor, debit_minor, credit_minor, closing_minor,
        entries
    from period_balances where month = %(month)s) lines
where id > %(after)s
order by id
limit %(most)s
