-- Devices.

select 1;
