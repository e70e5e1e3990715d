-- name: insert_merchant
insert into merchants (
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, requires_signature,
    livemode, created_at
) values (
    %(id)s, %(merchant_name)s, %(mcc)s, %(state_code)s, %(settlement_days)s, %(exposure_limit_minor)s,
    %(requires_signature)s, %(livemode)s, %(created_at)s
);

-- name: merchant
select
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, requires_signature,
    livemode, created_at
from merchants
where id = %(id)s;
