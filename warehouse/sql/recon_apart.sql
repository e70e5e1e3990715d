-- grain: one hash of reference, type and currency that one row a side cannot answer: of copies, of
--   rows without a reference, and of rows whose charges the ledger books apart
-- inputs: in_ledger, in_rail, recon_charge_rows
-- owner: finance
SELECT place
FROM in_ledger
GROUP BY place
HAVING count(*) > 1
UNION
SELECT place
FROM in_rail
GROUP BY place
HAVING count(*) > 1
UNION
SELECT hash(charge.reference, charge.kind, ledger.currency) AS place
FROM recon_charge_rows AS charge
INNER JOIN in_ledger AS ledger ON charge.no = ledger.rowid
