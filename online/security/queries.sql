-- name: client
select client_id, secret_hash, merchant_id, scopes, livemode
from api_clients
where client_id = %(client_id)s and revoked_at is null;

-- name: insert_client
insert into api_clients (id, client_id, secret_hash, merchant_id, scopes, livemode, created_at)
values (
    %(id)s, %(client_id)s, %(secret_hash)s, %(merchant_id)s, %(scopes)s, %(livemode)s,
    %(created_at)s
);

-- name: publishable_key
select key, merchant_id, livemode
from publishable_keys
where key = %(key)s and revoked_at is null;

-- name: insert_publishable_key
insert into publishable_keys (key, merchant_id, livemode, created_at)
values (%(key)s, %(merchant_id)s, %(livemode)s, %(created_at)s);

-- name: signing_key
select id, merchant_id, secret_ciphertext, key_version, livemode
from signing_keys
where id = %(id)s and revoked_at is null;

-- name: insert_signing_key
insert into signing_keys (id, merchant_id, secret_ciphertext, key_version, livemode, created_at)
values (
    %(id)s, %(merchant_id)s, %(secret_ciphertext)s, %(key_version)s, %(livemode)s, %(created_at)s
);
