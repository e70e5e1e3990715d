-- grain: one reference, type and currency seen in the ledger, in rail files, or in both
-- inputs: in_ledger, in_rail
-- owner: finance
WITH ledger AS (
    SELECT
        key,
        kind,
        currency,
        count(*) AS copies,
        sum(amount_minor)::BIGINT AS amount_minor,
        min(row_id) AS row_id,
        min(rail) AS rail,
        min(day) AS day,
        max(due_on) AS due_on,
        min(status) AS status
    FROM in_ledger
    WHERE kind <> 'payout'
    GROUP BY key, kind, currency
),

rail AS (
    SELECT
        key,
        kind,
        currency,
        count(*) AS copies,
        sum(gross_minor)::BIGINT AS amount_minor,
        min(row_id) AS row_id,
        min(rail) AS rail,
        min(day) AS day,
        max(day) AS last_day,
        min(status) AS status
    FROM in_rail
    GROUP BY key, kind, currency
),

paired AS (
    SELECT
        coalesce(ledger.key, rail.key) AS key,
        coalesce(ledger.kind, rail.kind) AS kind,
        coalesce(ledger.currency, rail.currency) AS currency,
        coalesce(ledger.copies, 0) AS ledger_copies,
        coalesce(rail.copies, 0) AS rail_copies,
        ledger.amount_minor AS ledger_minor,
        rail.amount_minor AS rail_minor,
        ledger.row_id AS ledger_id,
        rail.row_id AS rail_id,
        coalesce(rail.rail, ledger.rail) AS rail,
        coalesce(ledger.day, rail.day) AS day,
        ledger.due_on,
        rail.last_day AS settled_on,
        coalesce(ledger.status <> rail.status, false) AS status_differs
    FROM ledger
    FULL JOIN rail
        ON ledger.key = rail.key AND ledger.kind = rail.kind AND ledger.currency = rail.currency
),

-- The same reference in one currency here and in another there.
crossed AS (
    SELECT DISTINCT
        ours.key,
        ours.kind
    FROM paired AS ours
    INNER JOIN paired AS theirs ON ours.key = theirs.key AND ours.kind = theirs.kind
    WHERE ours.rail_copies = 0 AND theirs.ledger_copies = 0
)

SELECT
    paired.*,
    crossed.key IS NOT NULL AND (paired.ledger_copies = 0 OR paired.rail_copies = 0) AS is_crossed,
    md5(concat_ws('|', paired.key, paired.kind, CASE WHEN is_crossed THEN '*' ELSE paired.currency END))
        AS group_id
FROM paired
LEFT JOIN crossed ON paired.key = crossed.key AND paired.kind = crossed.kind
