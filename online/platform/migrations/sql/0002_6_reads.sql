-- Lists, traces, keys.

select 1;
