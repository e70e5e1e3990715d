-- grain: one number: inputs whose rows were not each seen exactly once (0 is right). Sums of hashes
--   of row numbers: a row lost and another seen twice do not hide each other.
-- inputs: in_ledger, in_rail, recon_exact, recon_rail_members
-- owner: finance
WITH seen AS (
    SELECT 'ledger' AS input, sum(hash(rowid)::HUGEINT) AS mark FROM in_ledger WHERE kind <> 'payout'
    UNION ALL
    SELECT 'rail' AS input, sum(hash(rowid)::HUGEINT) AS mark FROM in_rail
    UNION ALL
    SELECT 'ledger' AS input, -sum(hash(ledger_no)::HUGEINT) AS mark FROM recon_exact WHERE is_matched
    UNION ALL
    SELECT 'rail' AS input, -sum(hash(rail_no)::HUGEINT) AS mark FROM recon_exact WHERE is_matched
    UNION ALL
    SELECT input, -sum(hash(no)::HUGEINT) AS mark FROM recon_rail_members GROUP BY input
)

SELECT count(*)::BIGINT AS strays
FROM (SELECT input FROM seen GROUP BY input HAVING coalesce(sum(mark), 0) <> 0)
