-- What risk compares a payment with: its events by every entity, and sums of them by hour and day.

alter table risk_activity
    add column card_key text,
    add column vpa_key  text,
    add column ip_key   text;
-- Until now one column named the card or the UPI address; the payment tells which of them it is.
update risk_activity as a set
    card_key = case when p.method = 'card' then a.instrument end,
    vpa_key = case when p.method <> 'card' then a.instrument end
from payments as p where p.id = a.payment_id;

alter table payments add column ip_hash text;

alter table risk_labels
    add column card_key     text,
    add column vpa_key      text,
    add column customer_key text,
    add column device_key   text,
    add column ip_key       text,
    add column amount_minor bigint;
update risk_labels as l set
    card_key = a.card_key,
    vpa_key = a.vpa_key,
    customer_key = a.customer_key,
    device_key = a.device_key,
    ip_key = a.ip_key,
    amount_minor = a.amount_minor
from risk_activity as a where a.payment_id = l.payment_id;
update risk_labels set amount_minor = 0 where amount_minor is null;
alter table risk_labels
    alter column amount_minor set not null,
    alter column instrument drop not null;

-- One index an entity; what has no key is in none. Live and test events are told apart by the
-- index, so that neither is read past the other.
drop index risk_activity_customer, risk_activity_instrument, risk_activity_device;
create index risk_activity_customer on risk_activity (customer_key, livemode, at)
    where customer_key is not null;
create index risk_activity_card on risk_activity (card_key, livemode, at)
    where card_key is not null;
create index risk_activity_vpa on risk_activity (vpa_key, livemode, at)
    where vpa_key is not null;
create index risk_activity_device on risk_activity (device_key, livemode, at)
    where device_key is not null;
create index risk_activity_ip on risk_activity (ip_key, livemode, at)
    where ip_key is not null;
create index risk_activity_merchant on risk_activity (merchant_id, livemode, at);

-- `fraud` before the time: the newest label that says otherwise ends a streak.
drop index risk_labels_merchant, risk_labels_instrument;
create index risk_labels_customer on risk_labels (customer_key, livemode, fraud, known_at)
    where customer_key is not null;
create index risk_labels_card on risk_labels (card_key, livemode, fraud, known_at)
    where card_key is not null;
create index risk_labels_vpa on risk_labels (vpa_key, livemode, fraud, known_at)
    where vpa_key is not null;
create index risk_labels_device on risk_labels (device_key, livemode, fraud, known_at)
    where device_key is not null;
create index risk_labels_ip on risk_labels (ip_key, livemode, fraud, known_at)
    where ip_key is not null;
create index risk_labels_merchant on risk_labels (merchant_id, livemode, fraud, known_at);

-- Retention looks for the oldest.
create index risk_activity_at on risk_activity (at);
create index risk_labels_at on risk_labels (known_at);

-- A series is one entity and one kind of event. Tiles are kept of those that are `written`; they
-- may be read once they are `complete`: whatever came before has been added (see tiles.sql).
create table risk_series (
    id       smallint primary key,
    entity   text     not null,
    kind     text     not null check (kind in ('transaction', 'label')),
    fraud    boolean,           -- of labels: what they say
    written  boolean  not null default false,
    complete boolean  not null default false check (written or not complete),
    unique nulls not distinct (entity, kind, fraud),
    check ((kind = 'label') = (fraud is not null))
);
-- models/fraud/compile_postgres.py knows them by the same numbers.
insert into risk_series (id, entity, kind, fraud, written, complete)
select
    10 * e.number + k.number, e.entity, k.kind, k.fraud,
    e.entity = 'merchant', e.entity = 'merchant'
from
    (values (1, 'customer'), (2, 'card'), (3, 'vpa'), (4, 'device'), (5, 'merchant'), (6, 'ip'))
        as e (number, entity),
    (values (0, 'transaction', null), (1, 'label', true), (2, 'label', false))
        as k (number, kind, fraud);

-- Sums of the events of one key in one hour or one day (UTC). Every database session adds to rows
-- of its own (`shard` is its process id), so that payments of one busy merchant never wait for one
-- another, and cannot wait in a circle. A window is read from the tiles inside it and from the
-- events at its edges.
create table risk_tiles (
    series    smallint    not null,
    key       text        not null,
    livemode  boolean     not null,
    grain_s   integer     not null check (grain_s in (3600, 86400)),
    starts_at timestamptz not null,
    shard     integer     not null,
    events    bigint      not null,
    amount    numeric     not null,  -- minor units
    squares   numeric     not null,  -- of minor units
    primary key (series, key, livemode, grain_s, starts_at, shard)
) with (fillfactor = 60);
create index risk_tiles_starts_at on risk_tiles (starts_at);

-- What happened, as every series sees it: the one place that says which tile an event belongs to.
create function risk_tile_of(at timestamptz, grain_s integer) returns timestamptz
language sql immutable parallel safe as
$$ select date_bin(make_interval(secs => grain_s), at, timestamptz '2000-01-01 00:00:00+00') $$;

create function risk_tiles_of_activity() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into risk_tiles as t
    select
        s.id, k.key, n.livemode, g.grain_s, risk_tile_of(n.at, g.grain_s), pg_backend_pid(),
        count(*), sum(n.amount_minor), sum(n.amount_minor::numeric * n.amount_minor)
    from new_rows as n
    cross join lateral (
        values
            ('customer', n.customer_key), ('card', n.card_key), ('vpa', n.vpa_key),
            ('device', n.device_key), ('merchant', n.merchant_id::text), ('ip', n.ip_key)
    ) as k (entity, key)
    join risk_series as s on s.entity = k.entity and s.kind = 'transaction' and s.written
    cross join (values (3600), (86400)) as g (grain_s)
    where k.key is not null
    group by 1, 2, 3, 4, 5
    order by 1, 2, 3, 4, 5
    on conflict (series, key, livemode, grain_s, starts_at, shard) do update set
        events = t.events + excluded.events,
        amount = t.amount + excluded.amount,
        squares = t.squares + excluded.squares;
    return null;
end
$$;

create function risk_tiles_of_labels() returns trigger
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    insert into risk_tiles as t
    select
        s.id, k.key, n.livemode, g.grain_s, risk_tile_of(n.known_at, g.grain_s), pg_backend_pid(),
        count(*), sum(n.amount_minor), sum(n.amount_minor::numeric * n.amount_minor)
    from new_rows as n
    cross join lateral (
        values
            ('customer', n.customer_key), ('card', n.card_key), ('vpa', n.vpa_key),
            ('device', n.device_key), ('merchant', n.merchant_id::text), ('ip', n.ip_key)
    ) as k (entity, key)
    join risk_series as s
        on s.entity = k.entity and s.kind = 'label' and s.fraud = n.fraud and s.written
    cross join (values (3600), (86400)) as g (grain_s)
    where k.key is not null
    group by 1, 2, 3, 4, 5
    order by 1, 2, 3, 4, 5
    on conflict (series, key, livemode, grain_s, starts_at, shard) do update set
        events = t.events + excluded.events,
        amount = t.amount + excluded.amount,
        squares = t.squares + excluded.squares;
    return null;
end
$$;

-- What stands in the tables already, for one series; shard -1 is nobody's. The caller sees to it
-- that no event is both in this sum and in what a trigger has added.
create function risk_tiles_fill(wanted smallint) returns bigint
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    added bigint;
begin
    insert into risk_tiles
    select
        s.id, k.key, n.livemode, g.grain_s, risk_tile_of(n.at, g.grain_s), -1,
        count(*), sum(n.amount_minor), sum(n.amount_minor::numeric * n.amount_minor)
    from risk_series as s
    join (
        select
            'transaction' as kind, null::boolean as fraud, at, livemode, amount_minor,
            customer_key, card_key, vpa_key, device_key, merchant_id, ip_key
        from risk_activity
        union all
        select
            'label', fraud, known_at, livemode, amount_minor,
            customer_key, card_key, vpa_key, device_key, merchant_id, ip_key
        from risk_labels
    ) as n on n.kind = s.kind and n.fraud is not distinct from s.fraud
    cross join lateral (
        select case s.entity
            when 'customer' then n.customer_key
            when 'card' then n.card_key
            when 'vpa' then n.vpa_key
            when 'device' then n.device_key
            when 'merchant' then n.merchant_id::text
            when 'ip' then n.ip_key
        end as key
    ) as k
    cross join (values (3600), (86400)) as g (grain_s)
    where s.id = wanted and k.key is not null
    group by 1, 2, 3, 4, 5;
    get diagnostics added = row_count;
    return added;
end
$$;

-- The history of before this migration; nobody else writes while it runs.
select risk_tiles_fill(id) from risk_series where written;

create trigger risk_activity_tiles after insert on risk_activity
    referencing new table as new_rows for each statement
    execute function risk_tiles_of_activity();
create trigger risk_labels_tiles after insert on risk_labels
    referencing new table as new_rows for each statement
    execute function risk_tiles_of_labels();

-- Of these tables alone the service may delete: what no window reaches any more.
grant select, delete on risk_tiles to khata_app;
grant delete on risk_activity, risk_labels to khata_app;
grant select, update on risk_series to khata_app;
revoke execute on function risk_tiles_fill(smallint) from public;
grant execute on function risk_tiles_fill(smallint) to khata_app;
revoke execute on function risk_tiles_of_activity(), risk_tiles_of_labels() from public;
