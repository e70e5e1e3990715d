-- What a payer, or a primary, lets others pay with: handles, delegations, requests for approval.
-- The VPAs behind them are in the vault (`sealed_texts`); here are masks and keyed hashes.

create table handles (
    id               uuid        primary key,
    merchant_id      uuid        not null references merchants,
    customer_id      uuid        not null references customers,
    status           text        not null check (status in ('active', 'revoked', 'expired')),
    purpose          text        not null,
    currency         varchar(3)  not null,
    max_amount_minor bigint      not null check (max_amount_minor > 0),
    max_total_minor  bigint      check (max_total_minor >= max_amount_minor),
    max_uses         bigint      not null check (max_uses > 0),
    expires_at       timestamptz not null,
    alias_hash       text        not null unique,
    instrument       text        not null,
    instrument_mask  text        not null check (instrument_mask like '%***@%'),
    reason           text,
    version          bigint      not null,
    livemode         boolean     not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null
) with (fillfactor = 70);
create index handles_merchant on handles (merchant_id, id);
create index handles_customer on handles (customer_id, id);
create index handles_expiring on handles (expires_at) where status = 'active';

create table delegations (
    id                uuid        primary key,
    merchant_id       uuid        not null references merchants,
    primary_id        uuid        not null references customers,
    secondary_id      uuid        not null references customers,
    status            text        not null check (status in ('active', 'paused', 'revoked')),
    kind              text        not null check (kind in ('full', 'partial')),
    currency          varchar(3)  not null,
    per_payment_minor bigint      check (per_payment_minor > 0),
    per_month_minor   bigint      check (per_month_minor > 0),
    instrument        text        not null,
    instrument_mask   text        not null check (instrument_mask like '%***@%'),
    cooling_until     timestamptz not null,
    reason            text,
    version           bigint      not null,
    livemode          boolean     not null,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    constraint delegations_two_people check (primary_id <> secondary_id)
) with (fillfactor = 70);
-- A secondary has one primary; the counters refuse it before, by rule.
create unique index delegations_one_primary on delegations (secondary_id)
    where status <> 'revoked';
create index delegations_merchant on delegations (merchant_id, id);
create index delegations_primary on delegations (primary_id, id);
create index delegations_secondary on delegations (secondary_id, id);

create table delegation_requests (
    id            uuid        primary key,
    merchant_id   uuid        not null references merchants,
    delegation_id uuid        not null references delegations,
    primary_id    uuid        not null references customers,
    secondary_id  uuid        not null references customers,
    status        text        not null check (status in (
        'pending', 'approved', 'declined', 'expired')),
    amount_minor  bigint      not null check (amount_minor > 0),
    currency      varchar(3)  not null,
    device_id     text        not null,
    note          text,
    expires_at    timestamptz not null,
    held          jsonb       not null,
    payment_id    uuid        unique,
    approved_by   text,
    reason        text,
    version       bigint      not null,
    livemode      boolean     not null,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    -- Money moves by the primary's own device, and by nothing else.
    constraint delegation_requests_approved check (
        (status = 'approved') = (payment_id is not null)
        and (payment_id is null) = (approved_by is null))
) with (fillfactor = 70);
create index delegation_requests_delegation on delegation_requests (delegation_id, id);
create index delegation_requests_due on delegation_requests (expires_at) where status = 'pending';

-- What a primary sees, and what was paid by a handle.
create index payments_authority on payments ((authority ->> 'id'), id) where authority is not null;

-- Clients of before were given everything a merchant may do; this is part of it now.
update api_clients set scopes = scopes ||
    '{handles:read,handles:write,delegations:read,delegations:write}'::text[]
where merchant_id is not null and scopes @> '{devices:read,devices:write}'::text[]
    and not scopes && '{handles:write,delegations:write}'::text[];

grant select, insert, update on handles, delegations, delegation_requests to khata_app;
