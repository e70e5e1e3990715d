-- What rails tell us without being asked: stored as it came, before anything of it is understood.

create table rail_callbacks (
    id            uuid        primary key,          -- UUIDv7 of its coming, and the cursor of lists
    rail          text        not null check (rail ~ '^[a-z][a-z0-9_]{0,39}$'),
    -- The rail's own id of it; of a body in which none can be read, `sha256:` and its digest.
    callback_id   text        not null check (length(callback_id) between 1 and 100),
    received_at   timestamptz not null,
    secret        smallint    not null check (secret > 0),  -- the version it was signed with
    digest        bytea       not null check (length(digest) = 32),
    -- Sealed (AES-256-GCM): a rail may write of a payer whatever it likes.
    raw           bytea       not null check (length(raw) between 1 and 65536),
    raw_key       text        not null,
    tries         smallint    not null default 0 check (tries >= 0),
    next_try_at   timestamptz,                      -- null: it is done with
    processed_at  timestamptz,
    verdict       text        check (verdict in (
        'believed', 'known', 'no_news', 'out_of_order', 'enquired', 'asked', 'unknown_reference',
        'foreign_reference', 'unreadable', 'given_up')),
    reference     text        check (length(reference) <= 100),
    sequence      bigint      check (sequence >= 0),
    occurred_at   timestamptz,
    error         text        check (length(error) <= 100),
    unique (rail, callback_id),                     -- a repeated one is not stored again
    check ((verdict is null) = (processed_at is null)),
    check ((verdict is null) = (next_try_at is not null))
);
create index rail_callbacks_due on rail_callbacks (next_try_at) where next_try_at is not null;
-- What is known of a reference already, and in which order the rail said it.
create index rail_callbacks_of on rail_callbacks (rail, reference, sequence)
    where reference is not null;
-- Not partitioned by time: its unique key would then hold within a month only. It stays small, since
-- each row is forgotten after a month or so, oldest first along this index.
create index rail_callbacks_old on rail_callbacks (received_at) where processed_at is not null;

-- The service has no right to delete: it forgets what is done with, and nothing else.
create function khata_forget_rail_callbacks(before timestamptz, most integer) returns bigint
language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with old as (
        select id from rail_callbacks
        where processed_at is not null and received_at < before
        order by received_at
        limit most
        for update skip locked),
    gone as (delete from rail_callbacks c using old where c.id = old.id returning 1)
    select count(*) from gone
$$;
revoke execute on function khata_forget_rail_callbacks(timestamptz, integer) from public;
grant execute on function khata_forget_rail_callbacks(timestamptz, integer) to khata_app;

grant select on rail_callbacks to khata_app;
grant insert (id, rail, callback_id, received_at, secret, digest, raw, raw_key, next_try_at)
    on rail_callbacks to khata_app;
grant update (tries, next_try_at, processed_at, verdict, reference, sequence, occurred_at, error)
    on rail_callbacks to khata_app;
