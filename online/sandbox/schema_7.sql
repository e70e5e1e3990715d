-- Mandates: what a payer permits, the debits under each, what the payer was told of before.

create table mandates (
    reference   text primary key,           -- the gateway's attempt that asked for it
    rail        text not null,
    vpa         text not null,              -- empty: whoever opened the link
    amount      integer not null check (amount > 0),
    is_exact    integer not null,
    start_on    text not null,
    end_on      text not null,
    umn         text not null,
    status      text not null check (status in ('pending', 'active', 'paused', 'revoked', 'failed'))
) strict, without rowid;
create table mandate_debits (
    reference   text primary key,
    mandate     text not null references mandates
) strict, without rowid;
create index mandate_debits_of on mandate_debits (mandate);
create table mandate_notices (
    reference   text primary key,           -- the gateway's execution
    mandate     text not null references mandates,
    amount      integer not null,
    debit_from  text not null
) strict, without rowid;

-- callbacks.kind: mandate too.
alter table callbacks rename to callbacks_6;
drop index callbacks_due;
drop index callbacks_of;
create table callbacks (
    callback_id text not null,              -- as the gateway sees it; the same again is a repeat
    copy        integer not null,
    rail        text not null,
    kind        text not null check (kind in ('operation', 'dispute', 'mandate')),
    reference   text not null,
    sequence    integer not null,           -- the rail's own order of what it says of a reference
    occurred_at text not null,
    status      text,                       -- told whatever the operation has come to meanwhile
    body        blob,                       -- JSON; fixed before the first try
    tries       integer not null default 0,
    next_try_at text,                       -- null: taken, lost or given up
    taken_at    text,
    primary key (callback_id, copy)
) strict, without rowid;
insert into callbacks select * from callbacks_6;
drop table callbacks_6;
create index callbacks_due on callbacks (next_try_at) where next_try_at is not null;
create index callbacks_of on callbacks (reference, sequence);
