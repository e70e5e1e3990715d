-- grain: one ledger row and one rail row, neither answered by a name, of the same counterparty and
--   money, in the window
-- inputs: recon_left_ledger, recon_left_rail, in_due
-- owner: finance
WITH ours AS (
    SELECT ledger.*
    FROM recon_left_ledger AS ledger
    ANTI JOIN recon_left_rail AS rail ON ledger.key = rail.key AND ledger.group_kind = rail.kind
    WHERE NOT ledger.is_charge AND ledger.counterparty IS NOT NULL
),

theirs AS (
    SELECT rail.*
    FROM recon_left_rail AS rail
    ANTI JOIN recon_left_ledger AS ledger ON rail.key = ledger.key AND rail.kind = ledger.group_kind
    WHERE rail.counterparty IS NOT NULL
)

SELECT
    ours.no AS ledger_no,
    theirs.no AS rail_no,
    ours.key
FROM ours
INNER JOIN theirs
    ON upper(ours.counterparty) = upper(theirs.counterparty)
    AND ours.kind = theirs.kind
    AND ours.currency = theirs.currency
    AND ours.amount_minor = theirs.gross_minor
INNER JOIN in_due ON in_due.rail IS NOT DISTINCT FROM ours.rail AND in_due.day = ours.due_on
WHERE theirs.day BETWEEN ours.day - $early_days::INTEGER AND in_due.rail_last
