-- Mandates and their executions; what rails are asked since.

alter table attempts drop constraint attempts_operation_check;
alter table attempts add constraint attempts_operation_check check (operation in (
    'authorize', 'capture', 'void', 'reverse', 'refund', 'payout', 'mandate', 'mandate_revoke',
    'release', 'extend'));

create table mandates (
    id               uuid primary key,
    merchant_id      uuid        not null,
    customer_id      uuid        not null,
    status           text        not null check (status in ('created', 'pending', 'active',
        'paused', 'revoked', 'expired', 'completed', 'failed')),
    mcc              text        not null,
    max_amount_minor bigint      not null check (max_amount_minor > 0),
    currency         varchar(3)  not null,
    amount_rule      text        not null check (amount_rule in ('exact', 'max')),
    frequency        text        not null check (frequency in ('one_time', 'daily', 'weekly',
        'monthly', 'quarterly', 'half_yearly', 'yearly', 'as_presented')),
    start_on         date        not null,
    end_on           date        not null,
    debit_rule       text check (debit_rule in ('on', 'before', 'after')),
    debit_day        bigint check (debit_day between 1 and 31),
    amount_minor     bigint check (amount_minor > 0),
    purpose          text        not null,
    instrument       text        not null,
    instrument_mask  text        not null,
    handle_id        text,
    route            text,
    rail             text,
    attempt_id       uuid,
    umn              text,
    next_action      jsonb,
    last_error       jsonb,
    next_debit_on    date,
    paused_by        text check (paused_by in ('merchant', 'payer')),
    revoked_by       text check (revoked_by in ('merchant', 'payer', 'khata')),
    told             boolean     not null,
    tell_at          timestamptz,
    version          bigint      not null,
    livemode         boolean     not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    constraint mandates_days check (start_on <= end_on),
    constraint mandates_amount check (amount_minor <= max_amount_minor
        and (amount_rule = 'max' or amount_minor = max_amount_minor)),
    constraint mandates_debit_day check ((debit_rule is null) = (debit_day is null)),
    constraint mandates_paused check ((status = 'paused') = (paused_by is not null)),
    constraint mandates_revoked check ((status = 'revoked') = (revoked_by is not null))
) with (fillfactor = 70);
create index mandates_merchant on mandates (merchant_id, id);
create index mandates_customer on mandates (customer_id, id);
-- What the worker looks for: by its own schedule, by its last day, to be told to the rail.
create index mandates_next_debit on mandates (next_debit_on) where status = 'active';
create index mandates_end on mandates (end_on) where status in ('active', 'paused');
create index mandates_tell on mandates (tell_at) where tell_at is not null;

create table mandate_executions (
    id              uuid primary key,
    mandate_id      uuid        not null references mandates,
    merchant_id     uuid        not null,
    customer_id     uuid        not null,
    status          text        not null check (status in ('scheduled', 'notified', 'processing',
        'requires_action', 'unknown', 'retrying', 'succeeded', 'failed', 'canceled')),
    amount_minor    bigint      not null check (amount_minor > 0),
    currency        varchar(3)  not null,
    period          date        not null,
    debit_on        date        not null,
    until_on        date        not null,
    notice_at       timestamptz not null,
    debit_from      timestamptz,
    next_try_at     timestamptz,
    tried           bigint      not null check (tried between 0 and 4),
    payments        text[]      not null,
    factor_required boolean     not null,
    last_error      jsonb,
    scheduled_by    text        not null,
    version         bigint      not null,
    livemode        boolean     not null,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    constraint mandate_executions_days check (period <= debit_on and debit_on <= until_on),
    -- Nothing is tried of which the payer was not told, nor without a time for it.
    constraint mandate_executions_told check (tried = 0 or debit_from is not null),
    constraint mandate_executions_due check (
        (status in ('notified', 'retrying')) = (next_try_at is not null)),
    constraint mandate_executions_payments check (cardinality(payments) <= tried)
) with (fillfactor = 70);
-- One debit a period, whoever asks at once; what was canceled before a try left the period free.
create unique index mandate_executions_period on mandate_executions (mandate_id, period)
    where status <> 'canceled' or tried > 0;
create index mandate_executions_mandate on mandate_executions (mandate_id, id);
create index mandate_executions_notice on mandate_executions (notice_at)
    where status = 'scheduled';
create index mandate_executions_try on mandate_executions (next_try_at)
    where status in ('notified', 'retrying');
create index mandate_executions_idle on mandate_executions (mandate_id)
    where status in ('scheduled', 'notified', 'retrying');

grant select, insert, update on mandates, mandate_executions to khata_app;

-- Clients of before were given everything a merchant may do; this is part of it now.
update api_clients set scopes = scopes || '{mandates:read,mandates:write}'::text[]
where merchant_id is not null and scopes @> '{payments:read,payments:write}'::text[]
    and not scopes && '{mandates:read,mandates:write}'::text[];
