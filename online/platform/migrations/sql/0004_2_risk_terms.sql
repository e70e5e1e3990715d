-- Risk lists, merchants' terms of risk, and the content of every version of the rules.

-- One row a subject, list and owner, whatever became of it; the owner of lists that hold for all
-- merchants is the zero id.
create table risk_lists (
    id          uuid primary key,
    merchant_id uuid        not null,
    kind        text        not null check (kind in ('allow', 'block', 'watch')),
    subject     text        not null
        check (subject in ('card', 'vpa', 'device', 'ip', 'customer', 'merchant')),
    key         text        not null,
    mask        text        not null,
    reason      text        not null,
    added_by    text        not null,
    status      text        not null check (status in ('listed', 'removed')),
    expires_at  timestamptz,
    version     bigint      not null,
    livemode    boolean     not null,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    unique (merchant_id, livemode, kind, subject, key)
);
-- Every payment asks.
create index risk_lists_key on risk_lists (key, subject) where status = 'listed';
create index risk_lists_page on risk_lists (merchant_id, livemode, created_at desc, id desc);

create table risk_terms (
    id           uuid primary key,
    merchant_id  uuid        not null references merchants,
    challenge_at bigint      not null,
    review_at    bigint      not null,
    block_at     bigint      not null,
    failure_mode text        not null check (failure_mode in ('approve', 'review', 'block')),
    timeout_ms   bigint      not null check (timeout_ms between 1 and 60000),
    scorer       text,
    agreed_by    text        not null,
    version      bigint      not null,
    livemode     boolean     not null,
    updated_at   timestamptz not null,
    unique (merchant_id, livemode),
    constraint risk_terms_ordered check (
        1 <= challenge_at and challenge_at <= review_at
        and review_at <= block_at and block_at <= 100)
);

-- What each version of the rules said, so that a decision can be explained years later. The rules
-- are the same for test and live money.
create table risk_rules (
    version       bigint      primary key,
    hash          text        not null,
    content       jsonb       not null,
    first_used_at timestamptz not null
);
create trigger append_only before update or delete on risk_rules
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on risk_rules execute function khata_refuse_change();

grant select, insert, update on risk_lists, risk_terms to khata_app;
grant select, insert on risk_rules to khata_app;

-- Clients of before that may assess may read what an assessment goes by.
update api_clients set scopes = scopes || '{risk:read}'::text[]
where merchant_id is not null and scopes @> '{risk:write}'::text[]
    and not scopes @> '{risk:read}'::text[];
