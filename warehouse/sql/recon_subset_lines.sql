-- grain: one bank line that nothing names, and the rail rows without settlement id and UTR that it
--   may pay: in its currency, settled in the window before it
-- inputs: in_bank, in_rail, recon_bank_links, in_due
-- owner: finance
SELECT
    line.rowid AS line_no,
    line.amount_minor,
    list(rail.rowid ORDER BY rail.row_id, rail.rowid) AS rail_nos,
    list(rail.net_minor ORDER BY rail.row_id, rail.rowid) AS nets_minor
FROM in_bank AS line
INNER JOIN in_rail AS rail
    ON line.currency = rail.currency AND rail.settlement_id IS NULL AND rail.utr IS NULL AND rail.net_minor <> 0
        AND NOT is_memo(rail.kind)
INNER JOIN in_due ON in_due.rail IS NOT DISTINCT FROM rail.rail AND in_due.day = rail.day
ANTI JOIN recon_bank_links AS named ON line.rowid = named.line_no
WHERE line.day BETWEEN rail.day AND in_due.bank_last
GROUP BY line.rowid, line.amount_minor
HAVING count(*) >= 2
ORDER BY line.amount_minor, line_no
