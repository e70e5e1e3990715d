-- Handles, delegations, requests for approval.
select 1;
