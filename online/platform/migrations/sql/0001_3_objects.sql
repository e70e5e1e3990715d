-- Snapshots (each row rebuilds from its events) and the objects around them.

create table merchants (
    id                   uuid primary key,
    name                 text        not null,
    mcc                  varchar(4)  not null,
    state_code           varchar(2)  not null,
    settlement_days      smallint    not null default 1,
    exposure_limit_minor bigint      not null default 0,
    requires_signature   boolean     not null default true,
    livemode             boolean     not null,
    created_at           timestamptz not null
);

create table api_clients (
    id          uuid primary key,
    client_id   text        not null unique,
    secret_hash text        not null,
    merchant_id uuid references merchants,
    scopes      text[]      not null,
    livemode    boolean     not null,
    created_at  timestamptz not null,
    revoked_at  timestamptz
);

create table publishable_keys (
    key         text primary key,
    merchant_id uuid        not null references merchants,
    livemode    boolean     not null,
    created_at  timestamptz not null,
    revoked_at  timestamptz
);

create table signing_keys (
    id                text primary key,
    merchant_id       uuid        not null references merchants,
    secret_ciphertext bytea       not null,
    key_version       integer     not null,
    livemode          boolean     not null,
    created_at        timestamptz not null,
    revoked_at        timestamptz
);

create table customers (
    id          uuid primary key,
    merchant_id uuid        not null references merchants,
    name        text,
    email       text,
    phone       text,
    upi_type    text,
    vpa_masked  text,
    livemode    boolean     not null,
    created_at  timestamptz not null
);
create index customers_merchant on customers (merchant_id, id);

create table card_tokens (
    id             uuid primary key,
    merchant_id    uuid        not null references merchants,
    fingerprint    text        not null,
    pan_ciphertext bytea,
    key_id         text        not null,
    first6         varchar(6)  not null,
    last4          varchar(4)  not null,
    exp_month      smallint    not null,
    exp_year       smallint    not null,
    network        text        not null,
    livemode       boolean     not null,
    created_at     timestamptz not null,
    purged_at      timestamptz
);

create table intents (
    id                   uuid primary key,
    merchant_id          uuid        not null,
    customer_id          uuid,
    status               text        not null,
    amount_minor         bigint      not null check (amount_minor > 0),
    currency             varchar(3)  not null,
    payment_methods      text[]      not null,
    capture_method       text        not null check (capture_method in ('automatic', 'manual')),
    priority             text        not null,
    description          text,
    payment_id           uuid,
    next_action          jsonb,
    last_payment_error   jsonb,
    version              bigint      not null,
    livemode             boolean     not null,
    created_at           timestamptz not null,
    expires_at           timestamptz not null
) with (fillfactor = 70);
create index intents_expiry on intents (expires_at)
    where status in ('requires_payment_method', 'requires_confirmation', 'requires_action');

create table payments (
    id                   uuid primary key,
    intent_id            uuid,
    merchant_id          uuid        not null,
    customer_id          uuid,
    status               text        not null,
    amount_minor         bigint      not null check (amount_minor > 0),
    currency             varchar(3)  not null,
    method               text        not null check (method in ('upi', 'card')),
    capture_method       text        not null check (capture_method in ('automatic', 'manual')),
    priority             text        not null,
    instrument           text,
    instrument_mask      text,
    device_id            text,
    route                text,
    rail                 text,
    rail_reference       text,
    attempt_id           uuid,
    authorized_minor     bigint      not null default 0,
    capture_open_minor   bigint      not null default 0,
    captured_minor       bigint      not null default 0,
    refund_open_minor    bigint      not null default 0,
    refunded_minor       bigint      not null default 0,
    reversed_minor       bigint      not null default 0,
    fee_minor            bigint      not null default 0,
    tax_minor            bigint      not null default 0,
    risk                 jsonb,
    next_action          jsonb,
    last_error           jsonb,
    version              bigint      not null,
    livemode             boolean     not null,
    created_at           timestamptz not null,
    updated_at           timestamptz not null,
    -- Caps count what is still open, so that no race of two requests can pass them.
    constraint payments_capture_cap check (
        least(captured_minor, capture_open_minor) >= 0
        and captured_minor + capture_open_minor <= authorized_minor),
    constraint payments_refund_cap check (
        least(refunded_minor, refund_open_minor, reversed_minor) >= 0
        and refunded_minor + refund_open_minor + reversed_minor <= captured_minor)
) with (fillfactor = 60);
create index payments_merchant on payments (merchant_id, id);
create index payments_intent on payments (intent_id) where intent_id is not null;

create table attempts (
    id                uuid primary key,
    payment_id        uuid,
    refund_id         uuid,
    settlement_id     uuid,
    merchant_id       uuid        not null,
    operation         text        not null
        check (operation in ('authorize', 'capture', 'void', 'refund', 'payout')),
    status            text        not null,
    amount_minor      bigint      not null check (amount_minor > 0),
    currency          varchar(3)  not null,
    route             text,
    rail              text        not null,
    rail_reference    text,
    original_id       uuid,
    code              text,
    enquiries         smallint    not null default 0,
    next_enquiry_at   timestamptz,
    claimed_until     timestamptz,          -- by recovery; not part of the state
    sent_at           timestamptz not null,
    version           bigint      not null,
    livemode          boolean     not null
) with (fillfactor = 60);
create index attempts_open on attempts (next_enquiry_at)
    where status in ('sent', 'pending', 'unknown');
create index attempts_payment on attempts (payment_id);

create table refunds (
    id            uuid primary key,
    payment_id    uuid        not null,
    merchant_id   uuid        not null,
    attempt_id    uuid,
    status        text        not null,
    amount_minor  bigint      not null check (amount_minor > 0),
    currency      varchar(3)  not null,
    reason        text,
    rail          text,
    rail_reference text,
    failure_code  text,
    version       bigint      not null,
    livemode      boolean     not null,
    created_at    timestamptz not null,
    updated_at    timestamptz not null
) with (fillfactor = 70);
create index refunds_payment on refunds (payment_id);

create table settlements (
    id             uuid primary key,
    merchant_id    uuid        not null,
    business_date  date        not null,
    currency       varchar(3)  not null,
    status         text        not null,
    gross_minor    bigint      not null,
    refunds_minor  bigint      not null,
    fees_minor     bigint      not null,
    tax_minor      bigint      not null,
    reserve_minor  bigint      not null default 0,
    net_minor      bigint      not null,
    payout_attempt_id uuid,
    utr            text,
    warehouse_snapshot bigint,
    version        bigint      not null,
    livemode       boolean     not null,
    created_at     timestamptz not null,
    unique (merchant_id, business_date, currency, livemode)
);

create table breaks (
    id             uuid primary key,
    kind           text        not null,
    side           text        not null,
    rail           text,
    reference      text,
    row_ids        text[]      not null,
    expected_minor bigint,
    actual_minor   bigint,
    currency       varchar(3)  not null,
    business_date  date        not null,
    reason         text        not null,
    state          text        not null check (state in ('open', 'closed')),
    version        bigint      not null,
    livemode       boolean     not null,
    opened_at      timestamptz not null,
    closed_at      timestamptz
);

create table work_requests (
    id           uuid primary key,
    kind         text        not null check (kind in ('settlement', 'statement')),
    fingerprint  bytea       not null unique,
    merchant_id  uuid,
    params       jsonb       not null,
    state        text        not null check (state in ('queued', 'running', 'done', 'failed')),
    result       jsonb,
    claimed_at   timestamptz,
    livemode     boolean     not null,
    created_at   timestamptz not null
);

create table statements (
    id           uuid primary key,
    merchant_id  uuid        not null,
    start_date   date        not null,
    end_date     date        not null,
    format       text        not null check (format in ('pdf', 'csv', 'json')),
    sha256       bytea       not null,
    warehouse_snapshot bigint,
    content      bytea       not null,
    livemode     boolean     not null,
    created_at   timestamptz not null
);
create index statements_merchant on statements (merchant_id, start_date, end_date, format);

create table risk_activity (
    payment_id   uuid        not null,
    at           timestamptz not null,
    customer_key text,
    instrument   text        not null,
    device_key   text,
    merchant_id  uuid        not null,
    amount_minor bigint      not null,
    livemode     boolean     not null
);
create index risk_activity_customer on risk_activity (customer_key, at);
create index risk_activity_instrument on risk_activity (instrument, at);
create index risk_activity_device on risk_activity (device_key, at);

create table risk_labels (
    payment_id  uuid        not null,
    merchant_id uuid        not null,
    instrument  text        not null,
    fraud       boolean     not null,
    known_at    timestamptz not null,
    livemode    boolean     not null
);
create index risk_labels_merchant on risk_labels (merchant_id, known_at);
create index risk_labels_instrument on risk_labels (instrument, known_at);

create table database_epoch (epoch text not null);
insert into database_epoch values (gen_random_uuid()::text);
