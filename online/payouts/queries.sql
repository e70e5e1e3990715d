-- name: lock_beneficiaries
select id, version from payout_beneficiaries where id = any(%(ids)s::uuid[]) order by id for update

-- name: update_beneficiaries
update payout_beneficiaries b
set kind = r.kind, status = r.status, edition = r.edition, sealed_id = r.sealed_id, mask = r.mask,
    name_mask = r.name_mask, fingerprint = r.fingerprint, ifsc = r.ifsc,
    verification = r.verification, attempt_id = r.attempt_id, name_score = r.name_score,
    code = r.code, usable_from = r.usable_from, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, kind text, status text, edition bigint, sealed_id uuid, mask text, name_mask text,
    fingerprint text, ifsc text, verification text, attempt_id uuid, name_score smallint,
    code text, usable_from timestamptz, version bigint, updated_at timestamptz)
where b.id = r.id

-- name: lock_payouts
select id, version from payouts where id = any(%(ids)s::uuid[]) order by id for update

-- name: update_payouts
update payouts p
set status = r.status, attempt_id = r.attempt_id, utr = r.utr, code = r.code, limits = r.limits,
    version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, attempt_id uuid, utr text, code text, limits jsonb, version bigint,
    updated_at timestamptz)
where p.id = r.id

-- name: beneficiary
select * from payout_beneficiaries where id = %(id)s

-- name: beneficiary_of_merchant
select * from payout_beneficiaries where id = %(id)s and merchant_id = %(merchant_id)s

-- name: beneficiaries
select * from payout_beneficiaries
where merchant_id = %(merchant_id)s
    and (%(after)s::uuid is null or id < %(after)s)
    and (%(status)s::text is null or status = %(status)s)
order by id desc
limit %(most)s

-- name: cooled
select * from payout_beneficiaries
where status = 'cooling' and usable_from <= %(now)s
order by usable_from
limit %(most)s

-- name: payout
select * from payouts where id = %(id)s

-- name: payout_of_merchant
select * from payouts where id = %(id)s and merchant_id = %(merchant_id)s

-- name: payouts
select * from payouts
where merchant_id = %(merchant_id)s
    and (%(after)s::uuid is null or id < %(after)s)
    and (%(status)s::text is null or status = %(status)s)
    and (%(beneficiary_id)s::uuid is null or beneficiary_id = %(beneficiary_id)s)
order by id desc
limit %(most)s

-- name: due
select * from payouts
where status = 'scheduled' and scheduled_at <= %(now)s
order by scheduled_at, id
limit %(most)s
