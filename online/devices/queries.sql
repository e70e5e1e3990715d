-- name: lock
select id, version from devices where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update devices d
set status = r.status, platform = r.platform, key_hash = r.key_hash, sim_hash = r.sim_hash,
    challenge_expires_at = r.challenge_expires_at, wrong_proofs = r.wrong_proofs, challenges = r.challenges,
    blocked_until = r.blocked_until, verified_at = r.verified_at, cooling_until = r.cooling_until,
    reason = r.reason, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, platform text, key_hash text, sim_hash text,
    challenge_expires_at timestamptz, wrong_proofs bigint, challenges bigint, blocked_until timestamptz,
    verified_at timestamptz, cooling_until timestamptz, reason text, version bigint,
    updated_at timestamptz)
where d.id = r.id

-- name: get
select * from devices where id = %(id)s and merchant_id = %(merchant_id)s

-- name: newest_of_installation
-- A revoked one is answered too, for its block.
select * from devices
where fingerprint = %(fingerprint)s and customer_id = %(customer_id)s
order by id desc
limit 1

-- name: of_payment
-- The device that a payment names: the one of its own customer before those of others.
select * from devices
where fingerprint = %(fingerprint)s
order by (customer_id is not distinct from %(customer_id)s::uuid) desc, id desc
limit 1

-- name: bound_by
-- The key that a device was last linked with, and what its merchant calls the installation.
select installation, public_key from device_keys
where device_id = %(device_id)s and key_hash = %(key_hash)s
order by version desc
limit 1

-- name: cooled
select * from devices
where status = 'cooling' and cooling_until <= %(now)s
order by cooling_until
limit %(most)s
