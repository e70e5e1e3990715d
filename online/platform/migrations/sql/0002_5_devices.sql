-- Devices: what is bound to whom (a snapshot), and the keys it is bound by.

create table devices (
    id                   uuid primary key,
    merchant_id          uuid        not null,
    customer_id          uuid        not null,
    status               text        not null,
    fingerprint          text        not null,
    platform             text        not null,
    key_hash             text        not null,
    sim_hash             text,
    challenge_expires_at timestamptz not null,
    wrong_proofs         bigint      not null,
    blocked_until        timestamptz,
    verified_at          timestamptz,
    cooling_until        timestamptz,
    reason               text,
    version              bigint      not null,
    livemode             boolean     not null,
    created_at           timestamptz not null,
    updated_at           timestamptz not null
) with (fillfactor = 80);
-- One device an installation and customer, so that two links at once make one. A fingerprint
-- belongs to one merchant: the merchant is part of what is hashed.
create unique index devices_installation on devices (fingerprint, customer_id)
    where status <> 'revoked';
create index devices_fingerprint on devices (fingerprint, id);
create index devices_cooling on devices (cooling_until) where status = 'cooling';

-- What events only carry a keyed hash of. Append-only: a new key is a new row, under the version
-- of the event that bound it.
create table device_keys (
    device_id    uuid        not null,
    version      bigint      not null,
    key_hash     text        not null,
    installation text        not null,
    public_key   text        not null,
    livemode     boolean     not null,
    created_at   timestamptz not null,
    primary key (device_id, version)
);

grant select, insert, update on devices to khata_app;
grant select, insert on device_keys to khata_app;
