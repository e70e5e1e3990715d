-- Settlements: what disputes took, less what won ones gave back.

alter table settlements add column disputes_minor bigint not null default 0;
