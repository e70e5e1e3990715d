-- grain: one ledger row of a charge (fee or tax), with the reference and type of the row it is for
-- inputs: in_ledger, in_rail
-- owner: finance
WITH charges AS (
    SELECT
        rowid AS no,
        reference,
        payment_id,
        kind,
        currency
    FROM in_ledger
    WHERE kind IN ('fee', 'tax')
),

-- A charge that the rail shows as a row of its own is matched like any other row.
hidden AS (
    SELECT *
    FROM charges
    ANTI JOIN in_rail AS rail ON charges.reference = rail.reference AND charges.kind = rail.kind
),

charged AS (
    SELECT
        reference,
        payment_id,
        kind,
        currency
    FROM in_ledger
    WHERE kind NOT IN ('fee', 'tax', 'payout')
    UNION ALL
    SELECT
        reference,
        NULL AS payment_id,
        kind,
        currency
    FROM in_rail
    WHERE kind NOT IN ('fee', 'tax', 'payout')
),

owners AS (
    SELECT
        hidden.no,
        1 AS strength,
        charged.reference,
        charged.kind
    FROM hidden
    INNER JOIN charged ON hidden.reference = charged.reference AND hidden.currency = charged.currency
    UNION ALL
    SELECT
        hidden.no,
        2 AS strength,
        charged.reference,
        charged.kind
    FROM hidden
    INNER JOIN charged ON hidden.payment_id = charged.payment_id AND hidden.currency = charged.currency
    WHERE charged.reference IS NOT NULL
)

SELECT
    no,
    arg_min(reference, (strength, kind <> 'capture', kind, reference)) AS reference,
    arg_min(kind, (strength, kind <> 'capture', kind, reference)) AS kind
FROM owners
GROUP BY no
