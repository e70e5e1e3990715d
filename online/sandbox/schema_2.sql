-- Added to records that an earlier version may have begun.

alter table operations add column reversed integer not null default 0;
alter table operations add column eventual blob;         -- JSON: what a pending one will come to
alter table operations add column dispute_reason text;   -- it is disputed once captured
alter table operations add column return_url text;       -- where a challenge sends the payer
create index operations_of_root on operations (root) where operation <> 'authorize';

-- movements.type: REVERSAL | CHARGEBACK too. What a reversal returns of the charges on payments.
alter table movements add column fee_back integer not null default 0;
alter table movements add column gst_back integer not null default 0;

create table disputes (
    reference          text primary key,
    original_reference text not null unique,    -- the authorization; one dispute a payment
    rail               text not null,
    amount             integer not null check (amount > 0),
    reason_code        text not null,
    status             text not null check (status in ('open', 'won', 'lost')),
    rail_reference     text not null,           -- of the chargeback, should there be one
    network_reference  text,
    opened_at          text not null,
    respond_by         text not null,
    evidence           text,
    unique (rail, rail_reference)
) strict, without rowid;
