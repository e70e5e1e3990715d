-- Breaks get a hypothesis, an owner, their suspense, and a life of their own until they close.

alter table breaks
    drop constraint breaks_state_check,
    add constraint breaks_state_check check (state in (
        'open', 'assigned', 'write_off_requested', 'resolved', 'written_off', 'closed')),
    add column generation        bigint not null default 1,
    add column cause             text   not null default 'unknown',
    add column owner             text   not null default 'finance',
    add column opened_on         date,
    add column at_stake_minor    bigint not null default 0,
    add column suspense_minor    bigint not null default 0,
    add column suspense_account  text,
    add column suspense_cause    uuid,
    add column tat_due_on        date,
    add column tat_per_day_minor bigint not null default 0,
    add column explanation       text,
    add column write_off_reason  text,
    add column requested_by      text,
    add column decided_by        text,
    add column decided_at        timestamptz,
    add column moved_minor       bigint not null default 0,
    add column moved_to          text,
    add constraint breaks_moved_from_suspense check (moved_minor in (0, suspense_minor)),
    add constraint breaks_four_eyes check (
        state <> 'written_off' or requested_by is not null and decided_by is not null);

-- Until now openings and closings took turns and nothing else happened to a break.
update breaks set generation = (version + 1) / 2;

create index breaks_by_day on breaks (livemode, business_date desc, id desc);
create index breaks_standing on breaks (livemode, owner, business_date desc, id desc)
    where state <> 'closed';
