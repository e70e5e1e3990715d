-- grain: one part of a reference, type and currency: what each side has of it
-- inputs: recon_rail_members
-- owner: finance
WITH parts AS (
    SELECT
        key,
        kind,
        currency,
        part,
        count(*) FILTER (input = 'ledger' AND charge IS NULL) AS ledger_copies,
        count(*) FILTER (input = 'rail') AS rail_copies,
        sum(amount_minor) FILTER (input = 'ledger' AND charge IS NULL)::BIGINT AS ledger_minor,
        sum(amount_minor) FILTER (input = 'rail')::BIGINT AS rail_minor,
        count(DISTINCT amount_minor) FILTER (input = 'ledger' AND charge IS NULL) AS ledger_amounts,
        count(DISTINCT amount_minor) FILTER (input = 'rail') AS rail_amounts,
        count(DISTINCT sign(amount_minor)) FILTER (charge IS NULL) AS signs,
        count(DISTINCT status) FILTER (charge IS NULL) > 1 AS status_differs,
        min(rail) FILTER (input = 'ledger') AS ledger_rail,
        coalesce(min(rail) FILTER (input = 'rail'), ledger_rail) AS rail,
        coalesce(min(day) FILTER (input = 'ledger'), min(day)) AS day,
        min(day) FILTER (input = 'ledger') AS ledger_day,
        max(due_on) AS due_on,
        min(day) FILTER (input = 'rail') AS first_settled_on,
        max(day) FILTER (input = 'rail') AS settled_on,
        min(rule) AS rule,
        sum(fee_minor)::BIGINT AS fee_minor,
        sum(tax_minor)::BIGINT AS tax_minor,
        sum(right_fee_minor)::BIGINT AS right_fee_minor,
        sum(right_tax_minor)::BIGINT AS right_tax_minor,
        abs(sum(amount_minor) FILTER (charge = 'fee'))::BIGINT AS booked_fee_minor,
        abs(sum(amount_minor) FILTER (charge = 'tax'))::BIGINT AS booked_tax_minor
    FROM recon_rail_members
    GROUP BY key, kind, currency, part
),

-- The same reference in one currency here and in another there.
crossed AS (
    SELECT DISTINCT
        ours.key,
        ours.kind
    FROM parts AS ours
    INNER JOIN parts AS theirs ON ours.key = theirs.key AND ours.kind = theirs.kind
    WHERE ours.rail_copies = 0 AND theirs.ledger_copies = 0 AND ours.ledger_copies > 0
        AND ours.part = 'rest' AND theirs.part = 'rest' AND ours.currency <> theirs.currency
)

SELECT
    parts.*,
    crossed.key IS NOT NULL AND part = 'rest' AND (ledger_copies = 0 OR rail_copies = 0) AS is_crossed,
    md5(concat_ws('|', parts.key, parts.kind, CASE WHEN is_crossed THEN '*' ELSE currency END, part)) AS group_id
FROM parts
LEFT JOIN crossed ON parts.key = crossed.key AND parts.kind = crossed.kind
