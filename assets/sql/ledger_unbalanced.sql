-- grain: one sum that is not zero: of a currency and layer, or of one transaction in them
-- inputs: raw_entries
-- owner: finance
SELECT
    CASE grouping(transaction_id) WHEN 1 THEN 'whole ledger' ELSE transaction_id::VARCHAR END AS what,
    livemode,
    currency,
    layer,
    sum(amount_minor)::BIGINT AS off_by_minor
FROM raw_entries
GROUP BY GROUPING SETS ((livemode, currency, layer), (transaction_id, livemode, currency, layer))
HAVING sum(amount_minor) <> 0
ORDER BY what = 'whole ledger' DESC, abs(off_by_minor) DESC
