-- UPI's own: ids, references, deemed money.
select 1;
