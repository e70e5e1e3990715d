-- Stored value of MINI users.
select 1;
