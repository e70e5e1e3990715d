-- grain: one line of the file that was written, its amounts in minor units again
-- inputs: journal_written (temporary: the file)
-- owner: finance
SELECT
    journal_number,
    account_code AS code,
    currency,
    coalesce(replace(debit, '.', '')::BIGINT, 0) AS debit_minor,
    coalesce(replace(credit, '.', '')::BIGINT, 0) AS credit_minor
FROM journal_written
