-- What a merchant and we agreed on.

select 1;
