-- name: insert_merchant
insert into merchants (
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, version, livemode, created_at
) values (
    %(id)s, %(merchant_name)s, %(mcc)s, %(state_code)s, %(settlement_days)s,
    %(exposure_limit_minor)s, %(mdr_on_refund)s, %(size)s, %(requires_signature)s, %(version)s,
    %(livemode)s, %(created_at)s
);

-- name: insert_terms
insert into merchant_terms (
    merchant_id, version, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, actor, agreed_at, livemode
) values (
    %(id)s, %(version)s, %(settlement_days)s, %(exposure_limit_minor)s, %(mdr_on_refund)s,
    %(size)s, %(requires_signature)s, %(actor)s, %(agreed_at)s, %(livemode)s
);

-- name: update_terms
update merchants
set settlement_days = %(settlement_days)s, exposure_limit_minor = %(exposure_limit_minor)s,
    mdr_on_refund = %(mdr_on_refund)s, size = %(size)s,
    requires_signature = %(requires_signature)s, version = %(version)s
where id = %(id)s;

-- name: merchant
select
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, version, livemode, created_at
from merchants
where id = %(id)s;

-- name: lock_merchant
select
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, version, livemode, created_at
from merchants
where id = %(id)s
for no key update;
