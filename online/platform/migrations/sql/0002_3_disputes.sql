-- Disputes.

select 1;
