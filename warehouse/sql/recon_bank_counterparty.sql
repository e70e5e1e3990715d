-- grain: one bank line and one expected movement, neither answered by a name, of the same
--   counterparty and money, in the window
-- inputs: recon_bank_expected, in_bank, recon_bank_links, in_due
-- owner: finance
WITH candidates AS (
    SELECT
        line.rowid AS line_no,
        expected.node,
        $name AS rule,
        true AS is_same_currency
    FROM in_bank AS line
    INNER JOIN recon_bank_expected AS expected
        ON upper(line.counterparty) = upper(expected.counterparty)
        AND line.currency = expected.currency
        AND line.amount_minor = expected.amount_minor
    INNER JOIN in_due ON in_due.rail IS NOT DISTINCT FROM expected.rail AND in_due.day = expected.day
    ANTI JOIN recon_bank_links AS named ON line.rowid = named.line_no
    ANTI JOIN recon_bank_links AS taken ON expected.node = taken.node
    WHERE line.day BETWEEN expected.day - $early_days::INTEGER AND in_due.bank_last
)

SELECT
    *,
    count(*) OVER (PARTITION BY line_no) AS line_choices,
    count(*) OVER (PARTITION BY node) AS node_choices
FROM candidates
