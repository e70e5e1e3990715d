-- What a merchant and we agreed on about settlement, and who it is for the tax office.

alter table merchants
    add column legal_name text, -- where none is given: the name
    add column gstin varchar(15),
    add column address text,
    add column settlement_schedule text not null default 'daily'
        check (settlement_schedule in ('daily', 'weekly', 'cycles')),
    -- ISO: 1 is Monday; a weekly period ends with this day.
    add column settlement_weekday smallint check (settlement_weekday between 1 and 7),
    -- HH:MM in India, ascending; the last cycle of a day ends at `cutoff`.
    add column settlement_cycles text[] not null default '{}',
    add column cutoff varchar(5) not null default '24:00',
    add column min_payout_minor bigint not null default 0 check (min_payout_minor >= 0),
    add column reserve_bps smallint not null default 0 check (reserve_bps between 0 and 10000),
    add column reserve_days smallint not null default 0 check (reserve_days >= 0),
    add column tds_section text,
    -- Instead of the section's own rate: a certificate, or no PAN.
    add column tds_bps smallint check (tds_bps between 0 and 10000),
    add constraint merchants_weekday
        check ((settlement_schedule = 'weekly') = (settlement_weekday is not null)),
    add constraint merchants_cycles
        check ((settlement_schedule = 'cycles') = (cardinality(settlement_cycles) > 0)),
    add constraint merchants_reserve check ((reserve_bps = 0) = (reserve_days = 0)),
    add constraint merchants_tds check (tds_bps is null or tds_section is not null);

-- Versions from before this step had the terms that were the same for everybody.
alter table merchant_terms
    add column legal_name text,
    add column gstin varchar(15),
    add column address text,
    add column settlement_schedule text not null default 'daily',
    add column settlement_weekday smallint,
    add column settlement_cycles text[] not null default '{}',
    add column cutoff varchar(5) not null default '24:00',
    add column min_payout_minor bigint not null default 0,
    add column reserve_bps smallint not null default 0,
    add column reserve_days smallint not null default 0,
    add column tds_section text,
    add column tds_bps smallint;

create or replace view offline.merchants as
select id, name, mcc, state_code, settlement_days, livemode,
       coalesce(legal_name, name) as legal_name, gstin::text, address, settlement_schedule,
       settlement_weekday, settlement_cycles, cutoff::text, min_payout_minor,
       reserve_bps, reserve_days, tds_section, tds_bps
from public.merchants;
grant select on offline.merchants to khata_reader;

-- A settlement covers a span of time: [starts_at, ends_at), one beginning where the last ended.
alter table settlements
    add column starts_at timestamptz, -- null: since the merchant's beginning
    add column ends_at timestamptz,
    add column released_minor bigint not null default 0,
    add column carried_minor bigint not null default 0,
    add column reserve_due_minor bigint not null default 0,
    add column tds_due_minor bigint not null default 0,
    add column tds_minor bigint not null default 0,
    add column withheld_minor bigint not null default 0,
    add column payout_minor bigint not null default 0 check (payout_minor >= 0),
    add column carried_out_minor bigint not null default 0,
    add column pay_on date,
    add column release_on date,
    add column reserve_released_on date,
    add column payout_code text;
-- Until now one was a business day, and its net was paid the day it was accepted.
update settlements
set starts_at = business_date::timestamp at time zone 'Asia/Kolkata',
    ends_at = (business_date + 1)::timestamp at time zone 'Asia/Kolkata',
    payout_minor = greatest(net_minor, 0), carried_out_minor = least(net_minor, 0),
    pay_on = business_date;
alter table settlements
    alter column ends_at set not null,
    alter column pay_on set not null,
    drop constraint settlements_merchant_id_business_date_currency_livemode_key,
    add constraint settlements_end unique (merchant_id, currency, livemode, ends_at),
    -- A payout, reserve or tax is either what was owed, or nothing was taken at all.
    add constraint settlements_taken check (
        payout_minor > 0 or (reserve_minor = 0 and tds_minor = 0));
create index settlements_age on settlements (ends_at, id);
create index settlements_to_pay on settlements (pay_on)
    where status = 'created' and payout_minor > 0;
create index settlements_to_release on settlements (release_on)
    where reserve_minor > 0 and reserve_released_on is null;

-- Where a merchant is paid to, version by version; who said so stays known.
create table beneficiaries (
    merchant_id uuid        not null references merchants,
    version     bigint      not null,
    account     text        not null,
    ifsc        varchar(11) not null,
    name        text        not null,
    usable_from timestamptz not null,
    actor       text        not null,
    livemode    boolean     not null,
    created_at  timestamptz not null,
    primary key (merchant_id, version)
);
create trigger append_only before update or delete on beneficiaries
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on beneficiaries
    execute function khata_refuse_change();
grant select, insert on beneficiaries to khata_app;
