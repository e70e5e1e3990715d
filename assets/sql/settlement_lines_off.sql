-- grain: one settlement line whose net is not gross less refund, dispute, fee and tax
-- inputs: settlement_lines
-- owner: finance
SELECT
    merchant_id,
    kind,
    reference,
    gross_minor,
    refund_minor,
    dispute_minor,
    fee_minor,
    tax_minor,
    net_minor,
    currency
FROM settlement_lines
WHERE business_date = $day
    AND net_minor <> gross_minor - refund_minor - dispute_minor - fee_minor - tax_minor + released_minor
