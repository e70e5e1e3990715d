-- Behaviours by script, and what ends by itself.

-- operations.pending_kind: payer | challenge | later | unseen (enquiries find nothing yet).
alter table operations add column failing_enquiries integer not null default 0;
create index operations_ripening on operations (created_at)
    where pending_kind in ('later', 'unseen');
create index movements_by_time on movements (moved_at, reference);

-- The fault script in force; no row: everything is ordinary.
create table script (
    id      integer primary key check (id = 1),
    body    blob not null,                      -- JSON
    source  text                                -- hash of the file it came from; null: by HTTP
) strict;
