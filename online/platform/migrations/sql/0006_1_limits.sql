-- What a payment is made under beside the payer's own yes: a handle, a delegation, a mandate, a
-- balance. The counters it took are in its first event.
alter table payments add column authority jsonb;

-- A payee whose business was checked: categories of UPI have higher limits for them alone.
alter table merchants add column verified boolean not null default false;
alter table merchant_terms add column verified boolean not null default false;

-- Challenges asked for since the last proof: one too many blocks a device.
alter table devices add column challenges bigint not null default 0;
update devices d set challenges = (
    select count(*) from payment_events e
    where e.aggregate_id = d.id
        and e.event_type in ('device.linked', 'device.challenged', 'device.relinked')
        and e.version > coalesce(
            (select max(v.version) from payment_events v
             where v.aggregate_id = d.id and v.event_type = 'device.verified'), 0));

-- Devices of before take their place among their customer's, and those that were stopped refuse
-- payments from now on.
insert into limit_counters (subject, rule, window_start, used, cap, livemode)
select 'customer:' || customer_id, 'devices', date '1970-01-01', count(*), count(*), bool_or(livemode)
from devices
where status in ('cooling', 'active', 'suspended')
group by customer_id;

insert into limit_counters (subject, rule, window_start, used, cap, livemode)
select 'device:' || id, 'closed', date '1970-01-01',
    (status in ('suspended', 'revoked'))::int, 1, livemode
from devices;
