-- grain: one reversal that the rail shows, with the charges it should give back: those it took
-- inputs: in_ledger, in_rail, recon_left_ledger, recon_left_rail
-- owner: finance
WITH reversed AS (
    SELECT
        ledger.key,
        ledger.kind,
        ledger.currency,
        any_value(ledger.payment_id) AS payment_id,
        any_value(rail.rail) AS rail,
        sum(rail.fee_minor)::BIGINT AS fee_minor
    FROM recon_left_ledger AS ledger
    INNER JOIN recon_left_rail AS rail
        ON ledger.key = rail.key AND ledger.kind = rail.kind AND ledger.currency = rail.currency
    WHERE ledger.kind = 'reversal'
    GROUP BY ledger.key, ledger.kind, ledger.currency
    HAVING count(DISTINCT ledger.payment_id) = 1
),

-- What the rail charged for the captures that were undone, if it shows each of them once and as
-- we have it: the charges of a row that is itself a break prove nothing.
captured AS (
    SELECT
        ledger.payment_id,
        ledger.row_id,
        count(rail.row_id) AS copies,
        coalesce(bool_and(rail.gross_minor = ledger.amount_minor), false) AS agrees,
        sum(rail.fee_minor)::BIGINT AS fee_minor,
        sum(rail.tax_minor)::BIGINT AS tax_minor
    FROM in_ledger AS ledger
    SEMI JOIN reversed ON ledger.payment_id = reversed.payment_id
    LEFT JOIN in_rail AS rail
        ON ledger.reference = rail.reference AND ledger.kind = rail.kind AND ledger.currency = rail.currency
    WHERE ledger.kind = 'capture'
    GROUP BY ledger.payment_id, ledger.row_id
),

charged AS (
    SELECT
        payment_id,
        sum(fee_minor)::BIGINT AS fee_minor,
        sum(tax_minor)::BIGINT AS tax_minor
    FROM captured
    GROUP BY payment_id
    HAVING bool_and(copies = 1 AND agrees)
)

SELECT
    reversed.key,
    reversed.kind,
    reversed.currency,
    -charged.fee_minor AS expected_fee_minor,
    -charged.tax_minor AS expected_tax_minor
FROM reversed
INNER JOIN charged ON reversed.payment_id = charged.payment_id
-- Of a rail that we know we know its contract; a file of an unnamed one must show at least once
-- that charges are given back.
QUALIFY reversed.rail IS NOT NULL
    OR count(*) FILTER (charged.fee_minor <> 0 AND reversed.fee_minor = -charged.fee_minor) OVER () > 0
