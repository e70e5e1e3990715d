-- Money that came when its payment was over, and how far its return is. `late` names each attempt
-- that brought some, with the attempts to give it back; the sums are over those, so that the
-- database refuses to give back more than came, and to begin a return beside another.
alter table payments
    add column late_minor           bigint not null default 0,
    add column late_returning_minor bigint not null default 0,
    add column late_returned_minor  bigint not null default 0,
    add column late                 jsonb,
    add column late_due_at          timestamptz,
    add constraint payments_late_cap check (
        least(late_minor, late_returning_minor, late_returned_minor) >= 0
        and late_returned_minor + late_returning_minor <= late_minor),
    add constraint payments_late_due check (
        late_due_at is null or late_returned_minor + late_returning_minor < late_minor);

-- What the worker has to begin again, and what is not given back yet.
create index payments_late_due on payments (late_due_at) where late_due_at is not null;
create index payments_late_open on payments (id) where late_returned_minor < late_minor;
