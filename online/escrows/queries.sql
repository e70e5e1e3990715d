-- name: lock
select id, version from escrows where id = any(%(ids)s::uuid[]) order by id for update

-- name: update
update escrows e
set status = r.status, parties = r.parties, met = r.met, held_minor = r.held_minor,
    buyer_due_minor = r.buyer_due_minor, released_minor = r.released_minor,
    returned_minor = r.returned_minor, refund_open_minor = r.refund_open_minor,
    refunded_minor = r.refunded_minor, disputed_minor = r.disputed_minor,
    charged_back_minor = r.charged_back_minor, refunds = r.refunds, chargebacks = r.chargebacks,
    frozen_by = r.frozen_by, frozen_reason = r.frozen_reason, proposals = r.proposals,
    due_at = r.due_at, version = r.version, updated_at = r.updated_at
from jsonb_to_recordset(%(rows)s::jsonb) as r (
    id uuid, status text, parties jsonb, met jsonb, held_minor bigint, buyer_due_minor bigint,
    released_minor bigint, returned_minor bigint, refund_open_minor bigint, refunded_minor bigint,
    disputed_minor bigint, charged_back_minor bigint, refunds jsonb, chargebacks jsonb,
    frozen_by text, frozen_reason text, proposals jsonb, due_at timestamptz, version bigint,
    updated_at timestamptz)
where e.id = r.id

-- name: get
-- For its owner and its parties, or (no merchant) for one of ours.
select * from escrows
where id = %(id)s and livemode = %(livemode)s
    and (%(merchant_id)s::uuid is null or merchant_id = %(merchant_id)s or parties @> %(party)s::jsonb)

-- name: by_id
select * from escrows where id = %(id)s

-- name: page
select * from escrows
where livemode = %(livemode)s
    and (%(merchant_id)s::uuid is null or merchant_id = %(merchant_id)s or parties @> %(party)s::jsonb)
    and (%(after)s::uuid is null or id < %(after)s)
    and (%(status)s::text is null or status = %(status)s)
    and (%(payment_id)s::uuid is null or payment_id = %(payment_id)s)
order by id desc
limit %(most)s

-- name: live_of_payment
select * from escrows
where payment_id = %(payment_id)s and status in ('funded', 'frozen')
order by id

-- name: funded_of_payment
-- What of a payment ever went into escrow.
select coalesce(sum(amount_minor), 0)::bigint from escrows
where payment_id = %(payment_id)s and status in ('funded', 'frozen', 'closed')

-- name: due
select * from escrows where due_at <= %(now)s order by due_at limit %(most)s
