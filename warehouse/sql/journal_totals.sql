-- grain: one currency of the file: how much of everything, and how many journals do not balance
-- inputs: journal_read (temporary: the file, read back)
-- owner: finance
WITH journal AS (
    SELECT
        currency,
        journal_number,
        count(*) AS lines,
        sum(debit_minor)::BIGINT AS debit_minor,
        sum(credit_minor)::BIGINT AS credit_minor
    FROM journal_read
    GROUP BY ALL
)

SELECT
    currency,
    count(*) AS journals,
    sum(lines)::BIGINT AS lines,
    sum(debit_minor)::BIGINT AS debit_minor,
    sum(credit_minor)::BIGINT AS credit_minor,
    count(*) FILTER (debit_minor <> credit_minor) AS unbalanced
FROM journal
GROUP BY currency
ORDER BY currency
