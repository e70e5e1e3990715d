-- The contract with ingestion: what offline may read, by these names alone.
-- `xid8` is the indexed column (filter on it); `xid` the same as a number (store it).

create view offline.events as
select id, aggregate_id, aggregate_type::text, event_type::text, version, timestamp, merchant_id,
       data, metadata, livemode, xid::text::bigint as xid, xid as xid8
from public.payment_events;

create view offline.transactions as
select id, cause, kind, reference, merchant_id, business_date, effective_at, created_at, livemode,
       metadata, xid::text::bigint as xid, xid as xid8
from public.ledger_transactions;

create view offline.entries as
select id, transaction_id, account_id, account_version, amount_cents as amount_minor,
       currency::text, entry_type::text, balance_after, layer::text, business_date, effective_at,
       created_at, livemode, xid::text::bigint as xid, xid as xid8
from public.ledger_entries;

create view offline.accounts as
select id, code, stripe, currency::text, normal_side::text, merchant_id, livemode
from public.ledger_accounts;

create view offline.merchants as
select id, name, mcc, state_code, settlement_days, livemode
from public.merchants;

-- Every transaction below this id has ended: rows under it will not change any more.
create function offline.horizon() returns bigint
language sql stable as $$
    select pg_snapshot_xmin(pg_current_snapshot())::text::bigint
$$;

-- Transaction ids begin anew when a dump is restored elsewhere; watermarks are kept per epoch.
create function offline.epoch() returns text
language sql stable security definer as $$
    select e.epoch || ':' || c.system_identifier::text
    from public.database_epoch e, pg_control_system() c
$$;

grant select on all tables in schema offline to khata_reader;
grant execute on all functions in schema offline to khata_reader;
