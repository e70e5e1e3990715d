-- What a user's KYC is, and the stored value of users: wallets and their top-ups.

alter table customers add column kyc_level text not null default 'none'
    constraint customers_kyc_level check (kyc_level in ('none', 'minimum', 'full'));
update customers set kyc_level = 'full' where upi_type = 'max';
alter table customers add constraint customers_kyc_type check (
    (upi_type is distinct from 'max' or kyc_level = 'full')
    and (upi_type is distinct from 'mini' or kyc_level <> 'full'));

-- One a customer; closed and opened again it stays the same. `sweep_at`: when what came in after
-- it was closed goes back. What it holds is an account of the ledger, `customer:<id>:lite`.
create table wallets (
    id          uuid primary key,
    customer_id uuid        not null references customers,
    merchant_id uuid        not null,
    kind        text        not null check (kind in ('lite', 'ppi')),
    status      text        not null check (status in ('open', 'closed')),
    currency    varchar(3)  not null,
    sweep_at    timestamptz,
    version     bigint      not null,
    livemode    boolean     not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    constraint wallets_customer_id_key unique (customer_id),
    constraint wallets_sweep check (status = 'closed' or sweep_at is null)
) with (fillfactor = 70);
create index wallets_sweep on wallets (sweep_at) where sweep_at is not null;

create table top_ups (
    id                uuid primary key,
    wallet_id         uuid        not null references wallets,
    customer_id       uuid        not null,
    merchant_id       uuid        not null,
    status            text        not null check (status in ('processing', 'requires_action',
        'unknown', 'succeeded', 'failed', 'returned')),
    amount_minor      bigint      not null check (amount_minor > 0),
    currency          varchar(3)  not null,
    purpose           varchar(2)  not null,
    instrument        text        not null,
    instrument_mask   text        not null,
    route             text        not null,
    rail              text        not null,
    rail_reference    text,
    attempt_id        uuid        not null,
    credited          boolean     not null,
    returning_minor   bigint      not null default 0,
    return_due_minor  bigint      not null default 0,
    returned_minor    bigint      not null default 0,
    return_tries      smallint    not null default 0,
    return_due_at     timestamptz,
    next_action       jsonb,
    last_error        jsonb,
    limits            jsonb       not null,
    version           bigint      not null,
    livemode          boolean     not null,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    -- Caps count what is still open, so that no race of two returns can pass them.
    constraint top_ups_return_cap check (
        least(returning_minor, return_due_minor, returned_minor) >= 0
        and returning_minor + return_due_minor + returned_minor
            <= case when status in ('succeeded', 'returned') then amount_minor else 0 end),
    constraint top_ups_return_due check ((return_due_minor > 0) = (return_due_at is not null))
) with (fillfactor = 70);
create index top_ups_wallet on top_ups (wallet_id, id);
create index top_ups_merchant on top_ups (merchant_id, id);
create index top_ups_return_due on top_ups (return_due_at) where return_due_at is not null;
create index top_ups_returning on top_ups (wallet_id)
    where returning_minor + return_due_minor > 0;

-- A customer is not erased, nor known less well than before, while their wallet is open: whoever
-- opens one holds the customer's row, so that of the two, when they race, the later one is refused.
create function khata_wallet_needs_customer() returns trigger
language plpgsql as $$
begin
    perform 1 from customers where id = new.customer_id and erased_at is null for share;
    if not found then
        raise exception 'a wallet of nobody' using errcode = 'check_violation',
            constraint = 'wallets_customer';
    end if;
    return new;
end $$;
create trigger needs_customer before insert or update of status on wallets
    for each row when (new.status = 'open') execute function khata_wallet_needs_customer();

create function khata_customer_keeps_wallet() returns trigger
language plpgsql as $$
declare
    levels constant text[] := array['none', 'minimum', 'full'];
begin
    if ((new.erased_at is not null and old.erased_at is null)
            or array_position(levels, new.kyc_level) < array_position(levels, old.kyc_level))
        and exists (select from wallets where customer_id = new.id and status = 'open') then
        raise exception 'the wallet is open' using errcode = 'check_violation',
            constraint = 'customers_wallet_open';
    end if;
    return new;
end $$;
create trigger keeps_wallet before update of erased_at, kyc_level on customers
    for each row execute function khata_customer_keeps_wallet();

grant select, insert, update on wallets, top_ups to khata_app;
