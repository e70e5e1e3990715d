-- Mandates and their executions.
select 1;
