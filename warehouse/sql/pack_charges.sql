-- grain: one entry of a fee or a tax that the merchant was charged in the period, or got back
-- inputs: raw_entries, raw_transactions, raw_accounts, pack_own
-- owner: finance
SELECT
    entry.id,
    entry.business_date AS day
FROM raw_entries AS entry
INNER JOIN raw_accounts AS account ON entry.account_id = account.id
INNER JOIN raw_transactions AS posted ON entry.transaction_id = posted.id
WHERE entry.business_date BETWEEN $start_date AND $end_date
    AND entry.layer = 'posted'
    AND entry.currency = $currency
    AND posted.merchant_id = $merchant_id
    AND (account.code LIKE 'fees:%' OR account.code IN ('tax:igst', 'tax:cgst', 'tax:sgst', 'tax:tds'))
    AND entry.transaction_id IN (
        SELECT own.transaction_id
        FROM raw_entries AS own
        INNER JOIN pack_own ON own.id = pack_own.id AND own.business_date = pack_own.day
    )
