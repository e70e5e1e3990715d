-- The bank's own records. One writer; every answer is here before a caller hears it.

create table if not exists operations (
    reference        text primary key,          -- the gateway's attempt
    idempotency_key  text not null unique,
    fingerprint      text not null,             -- of the request, to refuse a key with another body
    rail             text not null,
    operation        text not null,
    amount           integer not null check (amount > 0),
    root             text not null,             -- the authorization this belongs to; itself for one
    capture          integer not null,
    status           text not null,             -- approved | declined | pending | failed
    answer           blob not null,             -- JSON, as sent
    rail_reference   text not null,
    instrument       text not null,             -- VPA or last four digits
    created_at       text not null,
    pending_kind     text,                      -- payer | later; null: final
    captured         integer not null default 0,   -- on an authorization: what became of it
    refunded         integer not null default 0,
    voided           integer not null default 0,
    check (captured <= amount and refunded <= captured)
) strict, without rowid;
create unique index if not exists operations_rail_reference on operations (rail, rail_reference);

-- Money that moved: one row for each line a bank file should have.
create table if not exists movements (
    reference    text primary key,
    rail         text not null,
    type         text not null,                 -- PAY | REFUND | PAYOUT
    amount       integer not null,              -- positive; the type gives the sign
    moved_at     text not null,
    bank_day     text not null,
    report_on    text not null,                 -- the day whose file shows it; later when made late
    reported_on  text,                          -- null: in no file yet
    rrn          text not null,
    network_ref  text,
    payee        text
) strict, without rowid;
create index if not exists movements_open on movements (report_on) where reported_on is null;

create table if not exists settlements (
    settlement_id text primary key,
    rail          text not null,
    settled_on    text not null,
    net           integer not null,
    utr           text not null,
    booked_on     text                          -- the statement that shows it
) strict, without rowid;

-- Credits on the bank account that no rail announced.
create table if not exists stray_credits (
    utr        text primary key,
    amount     integer not null,
    narrative  text not null,
    value_day  text not null,
    booked_on  text
) strict, without rowid;

create table if not exists statements (
    bank_day  text primary key,
    opening   integer not null,
    closing   integer not null
) strict, without rowid;

create table if not exists bank_files (
    bank_day  text not null,
    name      text not null,
    content   blob not null,
    primary key (bank_day, name)
) strict, without rowid;

create table if not exists openings (bank text primary key, amount integer not null) strict;
create table if not exists fault_plans (bank_day text primary key, plan blob not null) strict;
create table if not exists faults (id integer primary key, bank_day text not null, fault blob not null) strict;
