-- Holds and escrows.
select 1;
