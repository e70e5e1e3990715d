-- name: find
select merchant_id, key, request_hash, resource_id, status, body, created_at
from idempotency_keys where merchant_id = %(merchant_id)s and key = %(key)s
