-- grain: one settlement of a rail settled on the day, with a hash of its rows
-- inputs: stg_rail_rows
-- owner: finance
SELECT
    rail,
    settlement_id,
    settled_on,
    currency,
    sum(gross_minor)::BIGINT AS gross_minor,
    sum(fee_minor)::BIGINT AS fee_minor,
    sum(tax_minor)::BIGINT AS tax_minor,
    sum(net_minor)::BIGINT AS net_minor,
    count(*) AS row_count,
    sha256(string_agg(
        concat_ws('|', reference, rrn, "type", gross_minor, fee_minor, tax_minor, net_minor, utr),
        chr(10) ORDER BY reference, rrn, "type", gross_minor, fee_minor, tax_minor, net_minor, utr
    )) AS content_hash
FROM stg_rail_rows
WHERE settled_on = $day AND NOT is_memo("type")
GROUP BY rail, settlement_id, settled_on, currency
ORDER BY rail, settlement_id, currency
