-- Beneficiaries and payouts.
select 1;
