-- name: lock_entries
select id, version from risk_lists where id = any(%(ids)s::uuid[]) order by id for update

-- name: update_entries
update risk_lists l
set mask = r.mask, reason = r.reason, added_by = r.added_by, status = r.status,
    expires_at = r.expires_at, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, mask text, reason text, added_by text, status text, expires_at timestamptz,
    version bigint, updated_at timestamptz)
where l.id = r.id

-- name: entry
select * from risk_lists where id = %(id)s and merchant_id = %(owner)s and livemode = %(livemode)s

-- name: listed
-- What payments carry, each looked up once in the index of those that are on a list.
select distinct k.nr, l.subject, l.kind
from json_to_recordset(%(asked)s::json) as k (
    nr int, subject text, key text, merchant_id uuid, livemode boolean, at timestamptz)
join risk_lists l on l.key = k.key and l.subject = k.subject and l.status = 'listed'
where l.merchant_id in (k.merchant_id, %(house)s::uuid)
    and l.livemode = k.livemode
    and (l.expires_at is null or l.expires_at > k.at)

-- name: page
-- Newest first; ids of entries carry no time, so a page goes by the day of listing and the id.
select l.* from risk_lists l
where l.merchant_id = %(owner)s and l.livemode = %(livemode)s
    and (%(kind)s::text is null or l.kind = %(kind)s)
    and (%(subject)s::text is null or l.subject = %(subject)s)
    and (not %(standing)s::boolean or (
        l.status = 'listed' and (l.expires_at is null or l.expires_at > %(now)s::timestamptz)))
    and (%(after)s::uuid is null or (l.created_at, l.id) < (
        select a.created_at, a.id from risk_lists a
        where a.id = %(after)s and a.merchant_id = %(owner)s))
order by l.created_at desc, l.id desc
limit %(most)s

-- name: history
select event_type, version, timestamp as at, metadata ->> 'actor' as actor, data
from payment_events
where aggregate_id = %(id)s
order by version

-- name: lock_terms
select id, version from risk_terms where id = any(%(ids)s::uuid[]) order by id for update

-- name: update_terms
update risk_terms t
set challenge_at = r.challenge_at, review_at = r.review_at, block_at = r.block_at,
    failure_mode = r.failure_mode, timeout_ms = r.timeout_ms, scorer = r.scorer,
    agreed_by = r.agreed_by, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, challenge_at bigint, review_at bigint, block_at bigint, failure_mode text,
    timeout_ms bigint, scorer text, agreed_by text, version bigint, updated_at timestamptz)
where t.id = r.id

-- name: terms
select * from risk_terms where merchant_id = %(merchant_id)s and livemode = %(livemode)s

-- name: record_rules
insert into risk_rules (version, hash, content, first_used_at)
values (%(version)s, %(hash)s, %(content)s::jsonb, %(now)s)
on conflict (version) do nothing

-- name: hash_of_rules
select hash from risk_rules where version = %(version)s
