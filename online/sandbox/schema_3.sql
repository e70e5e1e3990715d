-- Settlements by cycle, two bank accounts, faults of files that a script keeps up.

-- Two operations may share a reference number of the rail: a number that depended on which of two
-- calls came first would make other files of the same traffic.
drop index operations_rail_reference;

alter table disputes rename to disputes_2;
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
    evidence           text
) strict, without rowid;
insert into disputes select * from disputes_2;
drop table disputes_2;

-- Cycles that were closed before their day; the day's close ends the others.
create table cycles_closed (
    bank_day  text not null,
    cycle     integer not null,
    primary key (bank_day, cycle)
) strict, without rowid;

-- Whether the bank's line gives the settlement's id and the UTR that the file names.
alter table settlements add column is_named integer not null default 1;

alter table stray_credits add column bank text not null default 'hdfc';

-- A statement of each account a day.
alter table statements rename to statements_2;
create table statements (
    bank_day  text not null,
    bank      text not null,
    opening   integer not null,
    closing   integer not null,
    primary key (bank_day, bank)
) strict, without rowid;
insert into statements select bank_day, 'hdfc', opening, closing from statements_2;
drop table statements_2;

-- Corrected settlement files that come with the files of a later day.
create table reissues (
    comes_on  text not null,
    name      text not null,
    content   blob not null,
    primary key (comes_on, name)
) strict, without rowid;

-- What every day gets for which no faults were planned: by rail, or '*' for the rails unnamed.
create table standing_faults (rail text primary key, plan blob not null) strict;
