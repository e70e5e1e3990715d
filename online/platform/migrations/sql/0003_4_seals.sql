-- Seals: signed roots of the days' Merkle trees, each naming the one before it.

-- A day's first seal is part 1; rows that came later are sealed as further parts, never instead.
-- The chain cannot fork: each hash is named once, and the first seal alone names none.
create table seals (
    number       bigint      primary key check (number > 0),
    previous     bytea       unique references seals (hash),
    day          date        not null,
    part         integer     not null check (part > 0),
    events_root  bytea       not null check (octet_length(events_root) = 32),
    events_size  bigint      not null check (events_size >= 0),
    entries_root bytea       not null check (octet_length(entries_root) = 32),
    entries_size bigint      not null check (entries_size >= 0),
    audit_root   bytea       not null check (octet_length(audit_root) = 32),
    audit_size   bigint      not null check (audit_size >= 0),
    epoch        text        not null,
    upto_xid     bigint      not null check (upto_xid >= 0),
    sealed_at    timestamptz not null,
    hash         bytea       not null unique check (octet_length(hash) = 32),
    key_id       text        not null,
    public_key   bytea       not null check (octet_length(public_key) = 32),
    signature    bytea       not null check (octet_length(signature) = 64),
    unique (day, part),
    constraint seals_first check ((number = 1) = (previous is null))
);
create trigger append_only before update or delete on seals
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on seals execute function khata_refuse_change();
grant select, insert on seals to khata_app;

-- Append-only records that are no events, for the tree of audit rows. A record must read the same
-- for ever: columns that come later are null for the rows that are there already (nulls are left
-- out), and times are left to `at_time`, since their text would depend on the reader's zone.
create view offline.audit as
select 'merchant_terms' as source, merchant_id || '/' || version as id, agreed_at as at_time,
       livemode, jsonb_strip_nulls(to_jsonb(t) - 'agreed_at') as content
from public.merchant_terms t
union all
select 'periods', month::text, closed_at, null, jsonb_build_object('closed_by', closed_by)
from public.periods
union all
select 'invoices', id::text, created_at, livemode, jsonb_strip_nulls(to_jsonb(i) - 'created_at')
from public.invoices i
union all
select 'statements', id::text, created_at, livemode, jsonb_build_object(
    'merchant_id', merchant_id, 'start_date', start_date, 'end_date', end_date, 'format', format,
    'sha256', encode(sha256, 'hex'), 'warehouse_snapshot', warehouse_snapshot)
from public.statements;
grant select on offline.audit to khata_reader;
