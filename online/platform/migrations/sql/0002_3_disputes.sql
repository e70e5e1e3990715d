-- Disputes, and what merchants say against them.

create table disputes (
    id                uuid primary key,
    payment_id        uuid        not null,
    merchant_id       uuid        not null,
    attempt_id        uuid        not null,
    rail              text        not null,
    rail_reference    text        not null,
    status            text        not null
        check (status in ('needs_response', 'under_review', 'won', 'lost')),
    reason_code       text        not null,
    reason            text        not null,
    amount_minor      bigint      not null check (amount_minor > 0),
    currency          varchar(3)  not null,
    respond_by        timestamptz not null,
    evidence_sha256   text,
    evidence_at       timestamptz,
    evidence_sent_at  timestamptz,
    fee_minor         bigint      not null default 0,
    tax_minor         bigint      not null default 0,
    closed_at         timestamptz,
    version           bigint      not null,
    livemode          boolean     not null,
    created_at        timestamptz not null,
    updated_at        timestamptz not null,
    asked_at          timestamptz,  -- the rail, by the worker; not part of the state
    evidence_tried_at timestamptz,  -- the same
    -- News of one dispute comes by several ways at once; whoever is second finds the first.
    unique (rail, rail_reference)
) with (fillfactor = 70);
create index disputes_merchant on disputes (merchant_id, id);
create index disputes_payment on disputes (payment_id);
create index disputes_due on disputes (respond_by) where status = 'needs_response';
create index disputes_open on disputes (coalesce(asked_at, created_at))
    where status in ('needs_response', 'under_review');
create index disputes_unsent on disputes (coalesce(evidence_tried_at, evidence_at))
    where status = 'under_review' and evidence_sent_at is null;

-- Outside the events, which are never erased: the text may name people.
create table dispute_evidence (
    dispute_id  uuid primary key,
    merchant_id uuid        not null,
    body        text        not null,
    sha256      text        not null,
    livemode    boolean     not null,
    created_at  timestamptz not null
);

grant select, insert, update on disputes to khata_app;
grant select, insert on dispute_evidence to khata_app;

-- Clients of before were given everything a merchant may do; this is part of it now.
update api_clients set scopes = scopes || '{disputes:read,disputes:write}'::text[]
where merchant_id is not null and scopes @> '{refunds:read,refunds:write}'::text[]
    and not scopes && '{disputes:read,disputes:write}'::text[];
