-- grain: one number: rows and minor units that are neither matched, broken nor open (0 is right)
-- inputs: recon_totals
-- owner: finance
SELECT
    coalesce(sum(
        abs(input_minor - matched_minor - broken_minor - open_minor)
        + abs(input_count - matched_count - broken_count - open_count)
    ), 0)::BIGINT AS gap_minor
FROM recon_totals
WHERE coalesce(business_date = $day::DATE, true)
