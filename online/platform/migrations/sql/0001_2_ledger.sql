-- Events, ledger, idempotency, limits, outbox: the tables that the writer alone writes.

create table payment_events (
    id             uuid         not null default gen_random_uuid(),
    aggregate_id   uuid         not null,
    aggregate_type varchar(20)  not null,
    event_type     varchar(100) not null,
    version        bigint       not null check (version > 0),
    timestamp      timestamptz  not null default now(),
    merchant_id    uuid,
    data           jsonb        not null,
    metadata       jsonb,
    livemode       boolean      not null,
    xid            xid8         not null default pg_current_xact_id(),
    primary key (aggregate_id, version)
) partition by range (aggregate_id);
create index payment_events_xid on payment_events (xid);
create table payment_events_default partition of payment_events default;

-- The smallest UUIDv7 of an instant: months become ranges of aggregate ids.
create function khata_uuid_floor(at timestamptz) returns uuid
language sql immutable as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Makes the monthly partitions of [first, last]; a month that exists is left alone.
create function khata_ensure_event_partitions(first date, last date) returns void
language plpgsql as $$
declare
    month date := date_trunc('month', first);
    name text;
begin
    while month <= last loop
        name := 'payment_events_' || to_char(month, 'YYYYMM');
        if to_regclass(name) is null then
            execute format(
                'create table %I partition of payment_events for values from (%L) to (%L)',
                name, khata_uuid_floor(month::timestamp at time zone 'UTC'),
                khata_uuid_floor((month + interval '1 month') at time zone 'UTC'));
            execute format('create trigger no_truncate before truncate on %I '
                'execute function khata_refuse_change()', name);
        end if;
        month := month + interval '1 month';
    end loop;
end $$;

create table ledger_accounts (
    id          uuid primary key,
    code        text       not null,
    stripe      smallint   not null default 0,
    currency    varchar(3) not null,
    normal_side char(1)    not null check (normal_side in ('D', 'C')),
    floor       bigint,
    ceiling     bigint,
    merchant_id uuid,
    posted      bigint     not null default 0,
    pending     bigint     not null default 0,
    version     bigint     not null default 0,
    livemode    boolean    not null,
    unique (code, currency, livemode, stripe),
    -- A pending amount counts against a floor or a ceiling when it is made.
    constraint ledger_accounts_floor check (floor is null or least(
        case normal_side when 'C' then posted else -posted end,
        case normal_side when 'C' then posted + pending else -(posted + pending) end) >= floor),
    constraint ledger_accounts_ceiling check (ceiling is null or greatest(
        case normal_side when 'C' then posted else -posted end,
        case normal_side when 'C' then posted + pending else -(posted + pending) end) <= ceiling)
) with (fillfactor = 60);

create table ledger_transactions (
    id            uuid primary key,
    cause         uuid        not null,
    kind          text        not null,
    reference     text,
    merchant_id   uuid,
    business_date date        not null,
    effective_at  timestamptz not null,
    created_at    timestamptz not null default now(),
    metadata      jsonb       not null default '{}',
    livemode      boolean     not null,
    xid           xid8        not null default pg_current_xact_id(),
    unique (cause, kind)
);
create index ledger_transactions_xid on ledger_transactions (xid);
create index ledger_transactions_reference on ledger_transactions (reference);

create table ledger_entries (
    id              uuid        not null default gen_random_uuid(),
    transaction_id  uuid        not null,
    account_id      uuid        not null,
    account_version bigint      not null,
    amount_cents    bigint      not null check (amount_cents <> 0),
    currency        varchar(3)  not null,
    entry_type      varchar(10) not null,
    balance_after   bigint      not null,
    layer           varchar(7)  not null check (layer in ('posted', 'pending')),
    business_date   date        not null,
    effective_at    timestamptz not null,
    created_at      timestamptz not null default now(),
    livemode        boolean     not null,
    xid             xid8        not null default pg_current_xact_id(),
    primary key (account_id, account_version),
    constraint ledger_entries_side check (
        (entry_type = 'DEBIT' and amount_cents < 0) or (entry_type = 'CREDIT' and amount_cents > 0))
) partition by hash (account_id);
create index ledger_entries_xid on ledger_entries (xid);
create index ledger_entries_transaction on ledger_entries (transaction_id);
do $$
begin
    for part in 0..7 loop
        execute format('create table ledger_entries_%s partition of ledger_entries '
            'for values with (modulus 8, remainder %s)', part, part);
    end loop;
end $$;

-- Refuses an insert whose entries do not sum to zero per transaction, currency and layer, or
-- that adds to a transaction of an earlier commit. Runs once a statement, over its new rows.
create function khata_check_entries() returns trigger
language plpgsql as $$
declare
    bad record;
begin
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
create trigger entries_balance after insert on ledger_entries
    referencing new table as new_entries
    for each statement execute function khata_check_entries();

create function khata_refuse_change() returns trigger
language plpgsql as $$
begin
    raise exception '% is append-only: % refused', tg_table_name, tg_op
        using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete on payment_events
    for each row execute function khata_refuse_change();
create trigger append_only before update or delete on ledger_entries
    for each row execute function khata_refuse_change();
create trigger append_only before update or delete on ledger_transactions
    for each row execute function khata_refuse_change();
-- Truncate triggers are not inherited: the parents and each partition get their own.
create trigger no_truncate before truncate on payment_events execute function khata_refuse_change();
create trigger no_truncate before truncate on payment_events_default
    execute function khata_refuse_change();
create trigger no_truncate before truncate on ledger_transactions
    execute function khata_refuse_change();
create trigger no_truncate before truncate on ledger_entries execute function khata_refuse_change();
do $$
begin
    for part in 0..7 loop
        execute format('create trigger no_truncate before truncate on ledger_entries_%s '
            'execute function khata_refuse_change()', part);
    end loop;
end $$;

create table idempotency_keys (
    merchant_id  uuid        not null,
    key          varchar(255) not null,
    request_hash bytea       not null,
    resource_id  uuid,
    status       smallint,             -- null while in flight
    body         bytea,
    created_at   timestamptz not null,
    livemode     boolean     not null,
    primary key (merchant_id, key)
) with (fillfactor = 70);

create table limit_counters (
    subject      text   not null,
    rule         text   not null,
    window_start date   not null,
    used         bigint not null check (used >= 0),
    cap          bigint not null,
    livemode     boolean not null,
    primary key (subject, rule, window_start),
    constraint limit_counters_cap check (used <= cap)
) with (fillfactor = 60);

create table outbox (
    id         uuid primary key,
    topic      text        not null,
    payload    jsonb       not null,
    run_at     timestamptz not null,
    attempts   smallint    not null default 0,
    livemode   boolean     not null
);
create index outbox_due on outbox (run_at);
