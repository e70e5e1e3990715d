-- Reviews of payments, and what is known of each payment: fraud, good, or nothing yet.

create table reviews (
    id            uuid primary key,
    payment_id    uuid        not null unique,
    merchant_id   uuid        not null,
    status        text        not null check (status in ('open', 'claimed', 'decided')),
    amount_minor  bigint      not null check (amount_minor > 0),
    currency      varchar(3)  not null,
    score         bigint      not null,
    level         text        not null,
    due_at        timestamptz not null,
    assignee      text,
    claimed_until timestamptz,
    outcome       text check (outcome in ('fraud', 'good')),
    reason        text,
    decided_at    timestamptz,
    version       bigint      not null,
    livemode      boolean     not null,
    created_at    timestamptz not null,
    updated_at    timestamptz not null,
    constraint reviews_claimed check (
        (status = 'claimed') = (claimed_until is not null) and (status = 'open') = (assignee is null)),
    constraint reviews_decided check (
        (status = 'decided') = (outcome is not null and reason is not null and decided_at is not null))
) with (fillfactor = 70);
-- Of one merchant, or of all; by time or by what is at stake; the queue, and whose they are.
create index reviews_merchant on reviews (merchant_id, id);
create index reviews_all on reviews (livemode, id);
create index reviews_merchant_amount on reviews (merchant_id, amount_minor, id);
create index reviews_all_amount on reviews (livemode, amount_minor, id);
create index reviews_undecided on reviews (livemode, amount_minor, id) where status <> 'decided';
create index reviews_assignee on reviews (assignee, id) where assignee is not null;

-- The newest label of each payment. Whoever records the next one decides on this one, so that no
-- two labels of a payment are recorded without one having seen the other.
create table risk_verdicts (
    id          uuid primary key,  -- of the payment
    merchant_id uuid        not null,
    fraud       boolean     not null,
    source      text        not null check (source in ('dispute', 'report', 'review', 'aged')),
    known_at    timestamptz not null,
    version     bigint      not null,
    livemode    boolean     not null
) with (fillfactor = 70);

-- Until now all labels came from disputes, but for those of the seeded past, which came as such.
insert into risk_verdicts (id, merchant_id, fraud, source, known_at, version, livemode)
select distinct on (payment_id) payment_id, merchant_id, fraud, 'dispute', known_at,
    count(*) over (partition by payment_id), livemode
from risk_labels
order by payment_id, known_at desc;

-- Labels take over what is known of their payment.
create index risk_activity_payment on risk_activity (payment_id);

-- How far the search for payments that have aged has come: a payment's id, which is a time.
create table risk_sweeps (
    name     text primary key,
    upto     uuid not null
);
insert into risk_sweeps (name, upto) values ('aged', '00000000-0000-0000-0000-000000000000');

grant select, insert, update on reviews, risk_verdicts to khata_app;
grant select, update on risk_sweeps to khata_app;

-- Clients of before were given everything a merchant may do; this is part of it now.
update api_clients set scopes = scopes || '{reviews:read,reviews:write,reviews:lead}'::text[]
where merchant_id is not null and scopes @> '{disputes:read,disputes:write}'::text[]
    and not scopes && '{reviews:read,reviews:write,reviews:lead}'::text[];
