-- Holds: money that is kept of a payer and taken, or let go, later. Escrows: money set aside between
-- parties until what they agreed on is met.

-- What a payment was made for, if it keeps money for a hold: its id, and what that was opened with.
alter table payments add column hold jsonb;

create table holds (
    id             uuid primary key,
    payment_id     uuid        not null unique,
    merchant_id    uuid        not null,
    customer_id    uuid,
    status         text        not null check (status in (
        'pending', 'placed', 'failed', 'captured', 'canceled', 'expired')),
    amount_minor   bigint      not null check (amount_minor > 0),
    currency       varchar(3)  not null,
    method         text        not null,
    purpose        text,
    description    text,
    captured_minor bigint      not null default 0,
    released_minor bigint      not null default 0,
    expires_at     timestamptz,
    error_code     text,
    version        bigint      not null,
    livemode       boolean     not null,
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    constraint holds_cap check (
        least(captured_minor, released_minor) >= 0
        and captured_minor + released_minor <= amount_minor),
    constraint holds_over check (
        status not in ('captured', 'canceled', 'expired')
        or captured_minor + released_minor = amount_minor)
) with (fillfactor = 70);
create index holds_merchant on holds (merchant_id, id);

create table escrows (
    id                 uuid primary key,
    merchant_id        uuid        not null,
    payment_id         uuid,
    status             text        not null check (status in (
        'proposed', 'agreed', 'funded', 'frozen', 'closed', 'canceled', 'expired')),
    amount_minor       bigint      not null check (amount_minor > 0),
    currency           varchar(3)  not null,
    description        text,
    parties            jsonb       not null,
    conditions         jsonb       not null,
    met                jsonb       not null,
    release            text        not null check (release in ('manual', 'automatic')),
    on_expiry          text        not null check (on_expiry in ('release', 'refund')),
    expires_at         timestamptz not null,
    held_minor         bigint      not null default 0,
    buyer_due_minor    bigint      not null default 0,
    released_minor     bigint      not null default 0,
    returned_minor     bigint      not null default 0,
    refund_open_minor  bigint      not null default 0,
    refunded_minor     bigint      not null default 0,
    disputed_minor     bigint      not null default 0,
    charged_back_minor bigint      not null default 0,
    refunds            jsonb       not null,
    chargebacks        jsonb       not null,
    frozen_by          text,
    frozen_reason      text,
    proposals          jsonb       not null,
    due_at             timestamptz,
    version            bigint      not null,
    livemode           boolean     not null,
    created_at         timestamptz not null,
    updated_at         timestamptz not null,
    -- Every unit that went in is there still, or has gone one of its ways, once.
    constraint escrows_whole check (
        least(held_minor, buyer_due_minor, released_minor, returned_minor, refund_open_minor,
            refunded_minor, disputed_minor, charged_back_minor) >= 0
        and buyer_due_minor <= held_minor
        and held_minor + released_minor + returned_minor + refund_open_minor + refunded_minor
            + disputed_minor + charged_back_minor
            = case when status in ('funded', 'frozen', 'closed') then amount_minor else 0 end),
    constraint escrows_closed check (
        status <> 'closed' or held_minor + refund_open_minor + disputed_minor = 0)
) with (fillfactor = 60);
create index escrows_merchant on escrows (merchant_id, id);
create index escrows_parties on escrows using gin (parties jsonb_path_ops);
create index escrows_payment on escrows (payment_id) where payment_id is not null;
create index escrows_due on escrows (due_at) where due_at is not null;

-- Whose money goes back, where that is not the merchant's pending balance.
alter table refunds add column escrow_id uuid;

grant select, insert, update on holds, escrows to khata_app;

-- Clients of before were given everything a merchant may do; this is part of it now.
update api_clients set scopes = scopes || '{escrows:read,escrows:write}'::text[]
where merchant_id is not null and scopes @> '{payments:read,payments:write}'::text[]
    and not scopes && '{escrows:read,escrows:write}'::text[];
