-- Closed months: what may no longer be posted to, and the trial balance that each was closed with.

-- A month in here takes no new entries, and neither does any before it. There is no way back: what
-- comes late is posted to the first open day and says which day it was meant for.
create table periods (
    month     date        primary key check (extract(day from month) = 1),
    closed_by text        not null,
    closed_at timestamptz not null
);

-- Follows the closing, since nothing can change the month by then. Signs as in the ledger.
create table period_balances (
    month         date        not null references periods,
    code          text        not null,
    currency      varchar(3)  not null,
    layer         varchar(7)  not null,
    livemode      boolean     not null,
    opening_minor bigint      not null,
    debit_minor   bigint      not null check (debit_minor >= 0),
    credit_minor  bigint      not null check (credit_minor >= 0),
    closing_minor bigint      not null,
    entries       bigint      not null,
    primary key (month, code, currency, layer, livemode),
    constraint period_balances_foot check (
        closing_minor = opening_minor - debit_minor + credit_minor)
);

-- One row a month once its trial balance is there; what offline compares its own books with.
create table period_totals (
    month       date        primary key references periods,
    accounts    bigint      not null,
    entries     bigint      not null,
    totals      jsonb       not null,
    sha256      bytea       not null check (octet_length(sha256) = 32),
    recorded_at timestamptz not null,
    xid         xid8        not null default pg_current_xact_id()
);
create index period_totals_xid on period_totals (xid);

create trigger append_only before update or delete on periods
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on periods execute function khata_refuse_change();
create trigger append_only before update or delete on period_balances
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on period_balances execute function khata_refuse_change();
create trigger append_only before update or delete on period_totals
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on period_totals execute function khata_refuse_change();

-- The first day that may be posted to; null while no month was ever closed. Whoever asks shares a
-- lock until the end of its transaction, and closing waits for it: a commit under way lands before
-- the close, or sees it. An advisory lock, since sharing a row would write to that row.
create function khata_open_from() returns date
language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(82773705769296);
    return (select (max(month) + interval '1 month')::date from periods);
end $$;

-- Nothing is posted from here to the end of the transaction.
create function khata_hold_books() returns trigger
language plpgsql as $$
begin
    perform pg_advisory_xact_lock(82773705769296);
    if exists (select from periods p join new_periods n on p.month > n.month) then
        raise exception 'a later month is closed already'
            using errcode = 'check_violation', constraint = 'periods_in_order';
    end if;
    return null;
end $$;
-- After the row, before the commit: a transaction that posts either ended by now, or waits for
-- this one and then reads its row.
create trigger hold_books after insert on periods
    referencing new table as new_periods
    for each statement execute function khata_hold_books();

-- As before, and refuses an entry of a closed month.
create or replace function khata_check_entries() returns trigger
language plpgsql as $$
declare
    bad record;
begin
    select min(business_date) as day into bad from new_entries;
    if bad.day < khata_open_from() then
        raise exception '% is in a closed month', bad.day
            using errcode = 'check_violation', constraint = 'ledger_entries_period_open';
    end if;
    select transaction_id, currency, layer, sum(amount_cents) as gap into bad
    from new_entries group by transaction_id, currency, layer having sum(amount_cents) <> 0
    limit 1;
    if found then
        raise exception 'entries of transaction % do not balance: % % % too much',
            bad.transaction_id, bad.gap, bad.currency, bad.layer
            using errcode = 'check_violation', constraint = 'ledger_entries_balance';
    end if;
    select e.transaction_id into bad
    from (select distinct transaction_id from new_entries) e
    left join ledger_transactions t on t.id = e.transaction_id and t.xid = pg_current_xact_id()
    where t.id is null limit 1;
    if found then
        raise exception 'transaction % is closed or unknown', bad.transaction_id
            using errcode = 'check_violation', constraint = 'ledger_entries_transaction_open';
    end if;
    return null;
end $$;

-- Tax invoices and credit notes. A number is given once and never taken back.
create table invoices (
    id           uuid        primary key,
    merchant_id  uuid        not null,
    month        date        not null references periods,
    currency     varchar(3)  not null,
    kind         text        not null check (kind in ('invoice', 'credit_note')),
    series       varchar(10) not null,
    sequence     integer     not null check (sequence between 1 and 999999),
    number       varchar(16) not null unique,
    issued_on    date        not null,
    total_minor  bigint      not null,
    document     jsonb       not null,
    livemode     boolean     not null,
    created_at   timestamptz not null,
    unique (merchant_id, month, currency, livemode),
    unique (series, sequence)
);
create index invoices_merchant on invoices (merchant_id, id);

create table invoice_files (
    invoice_id uuid        not null references invoices,
    format     text        not null check (format in ('pdf', 'json')),
    sha256     bytea       not null check (octet_length(sha256) = 32),
    content    bytea       not null,
    created_at timestamptz not null,
    primary key (invoice_id, format)
);
create trigger append_only before update or delete on invoices
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on invoices execute function khata_refuse_change();
create trigger append_only before update or delete on invoice_files
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on invoice_files execute function khata_refuse_change();

grant select, insert on periods, period_balances, invoices, invoice_files to khata_app;
-- Every column but `xid`, as for entries.
grant select, insert (month, accounts, entries, totals, sha256, recorded_at) on period_totals
    to khata_app;

-- The totals came after every entry of the month was committed: whoever reads by transaction ids
-- and finds a month here has all of its entries.
create view offline.periods as
select p.month, p.closed_at, t.accounts, t.entries, t.totals, encode(t.sha256, 'hex') as sha256,
       t.xid::text::bigint as xid, t.xid as xid8
from public.periods p
join public.period_totals t on t.month = p.month;
grant select on offline.periods to khata_reader;
