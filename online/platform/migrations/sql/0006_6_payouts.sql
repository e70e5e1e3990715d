-- Money to others than the merchant: whom it may go to, and what was sent. Settlements that stay
-- payable until the merchant asks for them.

-- What ordered an operation at a rail, by its TypeID, where that is no payment, refund or
-- settlement.
alter table attempts add column order_id text
    check (order_id ~ '^[a-z]{2,8}_[0-9a-hjkmnp-tv-z]{26}$');
create index attempts_order on attempts (order_id) where order_id is not null;

-- The vault's: texts that are sealed for one row elsewhere, and mean nothing in another.
create table sealed_texts (
    id          uuid        primary key,
    merchant_id uuid        not null,
    purpose     text        not null,
    ciphertext  bytea       not null,
    key_id      text        not null,
    livemode    boolean     not null,
    created_at  timestamptz not null
);
create trigger append_only before update or delete on sealed_texts
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on sealed_texts
    execute function khata_refuse_change();
grant select, insert on sealed_texts to khata_app;

create table payout_beneficiaries (
    id                    uuid        primary key,
    merchant_id           uuid        not null references merchants,
    kind                  text        not null check (kind in ('bank_account', 'vpa')),
    status                text        not null check (status in (
        'pending', 'verified', 'cooling', 'usable', 'rejected', 'disabled')),
    -- The details are in the vault, sealed for this edition; a payout names the one it goes to.
    edition               bigint      not null check (edition > 0),
    sealed_id             uuid        not null,
    mask                  text        not null,
    name_mask             text        not null,
    fingerprint           text        not null,
    ifsc                  varchar(11),
    verification          text        not null check (verification in ('penny_drop', 'name_check')),
    attempt_id            uuid,
    name_score            smallint    check (name_score between 0 and 100),
    code                  text,
    usable_from           timestamptz,
    version               bigint      not null,
    livemode              boolean     not null,
    created_at            timestamptz not null,
    updated_at            timestamptz not null,
    check ((kind = 'bank_account') = (ifsc is not null)),
    check (status not in ('cooling', 'usable') or usable_from is not null)
) with (fillfactor = 70);
create index payout_beneficiaries_merchant on payout_beneficiaries (merchant_id, id);
create index payout_beneficiaries_cooling on payout_beneficiaries (usable_from)
    where status = 'cooling';
grant select, insert, update on payout_beneficiaries to khata_app;

create table payouts (
    id             uuid        primary key,
    merchant_id    uuid        not null references merchants,
    beneficiary_id uuid        not null references payout_beneficiaries,
    edition        bigint      not null check (edition > 0),
    status         text        not null check (status in (
        'scheduled', 'processing', 'unknown', 'paid', 'declined', 'failed', 'returned', 'canceled')),
    amount_minor   bigint      not null check (amount_minor > 0),
    currency       varchar(3)  not null,
    mode           text        not null check (mode in ('upi', 'imps', 'neft', 'rtgs')),
    purpose        text        not null,
    purpose_code   text,
    reference      text,
    mask           text        not null,
    ifsc           varchar(11),
    scheduled_at   timestamptz,
    attempt_id     uuid,
    utr            text,
    code           text,
    limits         jsonb       not null default '[]',
    version        bigint      not null,
    livemode       boolean     not null,
    created_at     timestamptz not null,
    updated_at     timestamptz not null,
    -- What was sent has its attempt; what was not, waits for its time or never went.
    constraint payouts_sent check (
        attempt_id is not null or status in ('scheduled', 'canceled', 'failed')),
    constraint payouts_paid check (status <> 'paid' or attempt_id is not null)
) with (fillfactor = 70);
create index payouts_merchant on payouts (merchant_id, id);
create index payouts_scheduled on payouts (scheduled_at) where status = 'scheduled';
grant select, insert, update on payouts to khata_app;

-- Whether settlements are paid out by themselves, or stay payable until the merchant says where to.
alter table merchants add column payouts text not null default 'automatic'
    check (payouts in ('automatic', 'on_demand'));
alter table merchant_terms add column payouts text not null default 'automatic';
