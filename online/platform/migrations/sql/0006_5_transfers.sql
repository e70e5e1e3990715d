-- P2P: money from one person's bank account to another's. None of it is ours: books are memo.

create table transfers (
    id                uuid primary key,
    merchant_id       uuid        not null,
    customer_id       uuid        not null,
    status            text        not null check (status in (
        'created', 'processing', 'requires_action', 'unknown', 'deemed', 'succeeded', 'failed',
        'blocked', 'returned', 'canceled')),
    amount_minor      bigint      not null check (amount_minor > 0),
    currency          varchar(3)  not null,
    device_id         text        not null,
    payer             text        not null,  -- keyed hash of the VPA
    payer_mask        text        not null,
    payee             text        not null,
    payee_mask        text        not null,
    payer_handle      uuid,
    payee_handle      uuid,
    payee_customer_id uuid,
    route             text,
    rail              text,
    rail_reference    text,
    attempt_id        uuid,
    risk              jsonb,
    last_error        jsonb,
    limits            jsonb       not null,
    due_at            timestamptz,           -- when a deemed one has to be confirmed or returned
    late              boolean     not null default false,
    version           bigint      not null,
    livemode          boolean     not null,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    constraint transfers_two_people check (payer <> payee),
    constraint transfers_sent check (
        status in ('created', 'blocked') or (attempt_id is not null and rail is not null)),
    constraint transfers_deemed check (status <> 'deemed' or due_at is not null)
) with (fillfactor = 70);
create index transfers_merchant on transfers (merchant_id, id);
create index transfers_customer on transfers (customer_id, id);
create index transfers_deemed on transfers (due_at) where status = 'deemed';

grant select, insert, update on transfers to khata_app;

-- Clients of before were given everything a merchant may do; this is part of it now.
update api_clients set scopes = scopes || '{transfers:read,transfers:write}'::text[]
where merchant_id is not null and scopes @> '{payments:read,payments:write}'::text[]
    and not scopes && '{transfers:read,transfers:write}'::text[];
