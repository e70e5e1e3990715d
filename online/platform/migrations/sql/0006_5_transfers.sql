-- P2P between handles.
select 1;
