-- What the gateway is told without asking: kept until it has taken it, so that a restart loses none.

create table callbacks (
    callback_id text not null,              -- as the gateway sees it; the same again is a repeat
    copy        integer not null,
    rail        text not null,
    kind        text not null check (kind in ('operation', 'dispute')),
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
create index callbacks_due on callbacks (next_try_at) where next_try_at is not null;
create index callbacks_of on callbacks (reference, sequence);
