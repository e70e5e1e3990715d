-- Rules of limits that need a table.
select 1;
