-- grain: one rail row and the one ledger row that a pass found for it, each the other's only choice
-- inputs: recon_candidates
-- owner: finance
SELECT
    rail_no,
    key
FROM recon_candidates
QUALIFY count(*) OVER (PARTITION BY ledger_no) = 1 AND count(*) OVER (PARTITION BY rail_no) = 1
