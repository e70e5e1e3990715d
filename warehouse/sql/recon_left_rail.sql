-- grain: one rail row that no ledger row answers in everything, with what its charges should be
-- inputs: in_rail, recon_apart, recon_exact, recon_habits
-- owner: finance
WITH chosen AS (
    SELECT rail_no AS no
    FROM recon_exact
    WHERE NOT is_matched AND rail_no IS NOT NULL
    UNION ALL
    SELECT rail.rowid AS no
    FROM in_rail AS rail
    SEMI JOIN recon_apart ON rail.place = recon_apart.place
),

charged AS (
    SELECT
        chosen.no,
        rail.*,
        CASE habit.form WHEN 'inclusive' THEN tax_minor ELSE 0 END AS included_minor,
        -- What the net leaves unexplained. Of a file without charges there is no habit.
        CASE
            WHEN NOT habit.adds_up THEN 0
            WHEN habit.form = 'gross' THEN gross_minor - net_minor
            ELSE gross_minor - fee_minor - tax_minor + included_minor - net_minor
        END AS gap_minor,
        CASE
            WHEN fee_minor = 0 THEN tax_minor <> 0 AND habit.taxes_fees_only
            WHEN NOT habit.is_gst OR tax_minor = 0 AND abs(gross_minor) <= $tax_free_up_to_minor THEN false
            ELSE abs(tax_minor * 10000 - (fee_minor - included_minor) * $tax_bps) > 10000 * $tax_tolerance_minor
        END AS is_taxed_wrong,
        -- The tax that would make the net right is the tax that the fee bears: the tax is wrong.
        is_taxed_wrong AND gap_minor <> 0
        AND abs((tax_minor + gap_minor) * 10000 - fee_minor * $tax_bps) <= 10000 * $tax_tolerance_minor
            AS is_tax_to_blame,
        -- Net and sum agree, fee and tax do not: the one is wrong that its file's usual rate is not.
        (abs(gross_minor) * habit.fee_bps + 5000) // 10000 * sign(fee_minor)::BIGINT AS usual_fee_minor,
        is_taxed_wrong AND gap_minor = 0
        AND abs(fee_minor - usual_fee_minor) > 1 + abs(gross_minor) // 10000
        AND abs(tax_minor * 10000 - usual_fee_minor * $tax_bps)
        <= (10000 + abs(gross_minor) // 10000 * $tax_bps) * greatest($tax_tolerance_minor, 1) AS is_fee_to_blame
    FROM in_rail AS rail
    INNER JOIN chosen ON rail.rowid = chosen.no
    LEFT JOIN recon_habits AS habit ON habit.rail IS NOT DISTINCT FROM rail.rail
)

SELECT
    * EXCLUDE (included_minor, gap_minor, is_taxed_wrong, is_tax_to_blame, usual_fee_minor, is_fee_to_blame),
    coalesce(nullif(upper(trim(reference)), ''), 'rail ' || no) AS key,
    NULL::VARCHAR AS rule,
    CASE
        WHEN gap_minor <> 0 AND NOT is_tax_to_blame THEN fee_minor + gap_minor
        WHEN is_fee_to_blame THEN usual_fee_minor
        ELSE fee_minor
    END AS right_fee_minor,
    CASE
        WHEN is_tax_to_blame THEN tax_minor + gap_minor
        WHEN is_taxed_wrong AND gap_minor = 0 AND NOT is_fee_to_blame
            THEN sign(fee_minor) * ((abs(fee_minor - included_minor) * $tax_bps + 5000) // 10000)
        ELSE tax_minor
    END AS right_tax_minor
FROM charged
