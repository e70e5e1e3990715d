-- name: insert_links
insert into trace_links (
    attempt_id, hop, reference, at, amount_minor, sha256, livemode, recorded_at)
select u.*, %(livemode)s, %(recorded_at)s::timestamptz from unnest(
    %(attempts)s::uuid[], %(hops)s::text[], %(references)s::text[], %(dates)s::date[],
    %(amounts)s::bigint[], %(hashes)s::bytea[]) u
on conflict do nothing

-- name: links
select attempt_id, hop, reference, at, amount_minor, sha256, livemode, recorded_at
from trace_links where attempt_id = any(%(attempts)s::uuid[])
order by at, attempt_id, hop, reference
