-- grain: one row of one input for which a pass found several answers, and so took none
-- inputs: recon_candidates, recon_bound
-- owner: finance
WITH doubtful AS (
    SELECT *
    FROM recon_candidates
    ANTI JOIN recon_bound ON recon_candidates.rail_no = recon_bound.rail_no
)

SELECT
    'ledger' AS input,
    ledger_no AS no,
    count(*) AS choices,
    $name AS rule
FROM doubtful
GROUP BY ledger_no
UNION ALL
SELECT
    'rail' AS input,
    rail_no AS no,
    count(*) AS choices,
    $name AS rule
FROM doubtful
GROUP BY rail_no
