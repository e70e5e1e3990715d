-- name: lock
select id, version from disputes where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update disputes d
set status = r.status, evidence_sha256 = r.evidence_sha256, evidence_at = r.evidence_at,
    evidence_sent_at = r.evidence_sent_at, fee_minor = r.fee_minor, tax_minor = r.tax_minor,
    closed_at = r.closed_at, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, evidence_sha256 text, evidence_at timestamptz,
    evidence_sent_at timestamptz, fee_minor bigint, tax_minor bigint, closed_at timestamptz,
    version bigint, updated_at timestamptz)
where d.id = r.id

-- name: get
select * from disputes where id = %(id)s

-- name: get_of_merchant
select * from disputes
where id = %(id)s and merchant_id = %(merchant_id)s and livemode = %(livemode)s

-- name: by_references
select d.* from disputes d
join unnest(%(rails)s::text[], %(references)s::text[]) u (rail, reference)
    on d.rail = u.rail and d.rail_reference = u.reference

-- name: of_payment
select * from disputes where payment_id = %(payment_id)s order by id

-- name: page
select * from disputes
where merchant_id = %(merchant_id)s and livemode = %(livemode)s
    and (%(status)s::text is null or status = %(status)s)
    and (%(payment_id)s::uuid is null or payment_id = %(payment_id)s)
    and (%(after)s::uuid is null or id < %(after)s)
order by id desc
limit %(most)s

-- name: overdue
select * from disputes
where status = 'needs_response' and respond_by <= %(now)s
order by respond_by
limit %(most)s

-- name: claim_to_ask
-- Open disputes that nobody has asked their rail about for a while; nobody else gets them now.
update disputes d set asked_at = %(now)s
from (
    select id from disputes
    where status in ('needs_response', 'under_review')
        and coalesce(asked_at, created_at) <= %(before)s
    order by coalesce(asked_at, created_at)
    limit %(most)s
    for update skip locked) due
where d.id = due.id
returning d.*

-- name: claim_to_send
-- Evidence that its rail has not taken yet; nobody else gets it now.
update disputes d set evidence_tried_at = %(now)s
from (
    select id from disputes
    where status = 'under_review' and evidence_sent_at is null
        and coalesce(evidence_tried_at, evidence_at) <= %(before)s
    order by coalesce(evidence_tried_at, evidence_at)
    limit %(most)s
    for update skip locked) due
where d.id = due.id
returning d.*

-- name: evidence_body
select body from dispute_evidence where dispute_id = %(dispute_id)s
