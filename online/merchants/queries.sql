-- name: insert_merchant
insert into merchants (
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, version, livemode, created_at,
    legal_name, gstin, address, settlement_schedule, settlement_weekday, settlement_cycles,
    cutoff, min_payout_minor, reserve_bps, reserve_days, tds_section, tds_bps, verified, payouts
) values (
    %(id)s, %(merchant_name)s, %(mcc)s, %(state_code)s, %(settlement_days)s,
    %(exposure_limit_minor)s, %(mdr_on_refund)s, %(size)s, %(requires_signature)s, %(version)s,
    %(livemode)s, %(created_at)s,
    %(legal_name)s, %(gstin)s, %(address)s, %(settlement_schedule)s, %(settlement_weekday)s,
    %(settlement_cycles)s, %(cutoff)s, %(min_payout_minor)s, %(reserve_bps)s, %(reserve_days)s,
    %(tds_section)s, %(tds_bps)s, %(verified)s, %(payouts)s
);

-- name: insert_terms
insert into merchant_terms (
    merchant_id, version, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, actor, agreed_at, livemode,
    legal_name, gstin, address, settlement_schedule, settlement_weekday, settlement_cycles,
    cutoff, min_payout_minor, reserve_bps, reserve_days, tds_section, tds_bps, verified, payouts
) values (
    %(id)s, %(version)s, %(settlement_days)s, %(exposure_limit_minor)s, %(mdr_on_refund)s,
    %(size)s, %(requires_signature)s, %(actor)s, %(agreed_at)s, %(livemode)s,
    %(legal_name)s, %(gstin)s, %(address)s, %(settlement_schedule)s, %(settlement_weekday)s,
    %(settlement_cycles)s, %(cutoff)s, %(min_payout_minor)s, %(reserve_bps)s, %(reserve_days)s,
    %(tds_section)s, %(tds_bps)s, %(verified)s, %(payouts)s
);

-- name: update_terms
update merchants
set settlement_days = %(settlement_days)s, exposure_limit_minor = %(exposure_limit_minor)s,
    mdr_on_refund = %(mdr_on_refund)s, size = %(size)s,
    requires_signature = %(requires_signature)s, version = %(version)s,
    legal_name = %(legal_name)s, gstin = %(gstin)s, address = %(address)s,
    settlement_schedule = %(settlement_schedule)s, settlement_weekday = %(settlement_weekday)s,
    settlement_cycles = %(settlement_cycles)s, cutoff = %(cutoff)s,
    min_payout_minor = %(min_payout_minor)s, reserve_bps = %(reserve_bps)s,
    reserve_days = %(reserve_days)s, tds_section = %(tds_section)s, tds_bps = %(tds_bps)s,
    verified = %(verified)s, payouts = %(payouts)s
where id = %(id)s;

-- name: merchant
select
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, version, livemode, created_at,
    coalesce(legal_name, name) as legal_name, gstin, address, settlement_schedule,
    settlement_weekday, settlement_cycles, cutoff, min_payout_minor, reserve_bps, reserve_days,
    tds_section, tds_bps, verified, payouts
from merchants
where id = %(id)s;

-- name: merchants
select
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, version, livemode, created_at,
    coalesce(legal_name, name) as legal_name, gstin, address, settlement_schedule,
    settlement_weekday, settlement_cycles, cutoff, min_payout_minor, reserve_bps, reserve_days,
    tds_section, tds_bps, verified, payouts
from merchants
where id = any(%(ids)s::uuid[]);

-- name: lock_merchant
select
    id, name, mcc, state_code, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, version, livemode, created_at,
    coalesce(legal_name, name) as legal_name, gstin, address, settlement_schedule,
    settlement_weekday, settlement_cycles, cutoff, min_payout_minor, reserve_bps, reserve_days,
    tds_section, tds_bps, verified, payouts
from merchants
where id = %(id)s
for no key update;
