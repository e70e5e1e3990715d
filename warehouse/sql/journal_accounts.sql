-- grain: one account code with the name that a general ledger shows
-- inputs: raw_accounts, raw_merchants
-- owner: finance
WITH named AS (
    SELECT
        account.code,
        string_split(account.code, ':') AS part,
        any_value(coalesce(merchant.legal_name, merchant.name)) AS merchant
    FROM raw_accounts AS account
    LEFT JOIN raw_merchants AS merchant ON account.merchant_id = merchant.id
    GROUP BY account.code
)

SELECT
    code,
    CASE
        WHEN part[1] = 'rail' AND part[3] = 'receivable' THEN 'Receivable from rail ' || part[2]
        WHEN part[1] = 'rail' THEN 'In transit from rail ' || part[2]
        WHEN part[1] = 'bank' THEN 'Bank ' || part[2]
        WHEN part[1] = 'merchant' THEN coalesce(merchant, part[2]) || CASE part[3]
            WHEN 'pending' THEN ', not yet settled'
            WHEN 'payable' THEN ', to be paid out'
            WHEN 'disputed' THEN ', in dispute'
            WHEN 'reserve' THEN ', reserve ' || part[4]
            WHEN 'escrow' THEN ', escrow ' || part[4]
            ELSE ', ' || array_to_string(part[3:], ' ')
        END
        WHEN part[1] = 'customer' THEN 'Stored value of ' || part[2]
        WHEN part[1] = 'refunds' THEN 'Refunds payable through ' || part[2]
        WHEN part[1] = 'payouts' THEN 'Payouts in transit through ' || part[2]
        WHEN code = 'fees:mdr' THEN 'Fee income, merchant discount rate'
        WHEN code = 'fees:dispute' THEN 'Fee income, disputes'
        WHEN code = 'tax:gst:input' THEN 'GST input credit'
        WHEN code = 'tax:tds' THEN 'TDS payable'
        WHEN part[1] = 'tax' THEN upper(part[2]) || ' payable'
        WHEN part[1] = 'p2p' AND part[3] = 'payer' THEN 'Memo: sent between people over ' || part[2]
        WHEN part[1] = 'p2p' THEN 'Memo: received between people over ' || part[2]
        WHEN part[1] = 'costs' AND part[2] = 'rail' THEN 'Charges of rail ' || part[3]
        WHEN code = 'costs:tat' THEN 'Compensation for late reversals'
        WHEN part[1] = 'suspense' THEN 'Suspense, ' || part[2]
        WHEN part[1] = 'writeoff' THEN 'Written off, ' || part[2]
        WHEN code = 'equity:opening' THEN 'Opening balances'
        ELSE code
    END AS name
FROM named
