-- grain: one ledger row that no rail row answers in everything
-- inputs: in_ledger, recon_apart, recon_charge_rows, recon_exact
-- owner: finance
WITH chosen AS (
    SELECT ledger_no AS no
    FROM recon_exact
    WHERE NOT is_matched AND ledger_no IS NOT NULL
    UNION ALL
    SELECT ledger.rowid AS no
    FROM in_ledger AS ledger
    SEMI JOIN recon_apart ON ledger.place = recon_apart.place
    WHERE ledger.kind NOT IN ('payout', 'fee', 'tax')
    UNION ALL
    SELECT rowid AS no
    FROM in_ledger
    WHERE kind IN ('fee', 'tax')
)

SELECT
    chosen.no,
    ledger.*,
    -- Whether references are written in capitals, or with blanks around them, means nothing.
    coalesce(nullif(upper(trim(coalesce(charge.reference, ledger.reference))), ''), 'ledger ' || chosen.no) AS key,
    coalesce(charge.kind, ledger.kind) AS group_kind,
    charge.no IS NOT NULL AS is_charge
FROM in_ledger AS ledger
INNER JOIN chosen ON ledger.rowid = chosen.no
LEFT JOIN recon_charge_rows AS charge ON chosen.no = charge.no
