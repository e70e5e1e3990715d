-- grain: one line of the file for the general ledger
-- inputs: journal_lines, journal_names, journal_exponents (temporary, of this run)
-- owner: finance
WITH shown AS (
    SELECT
        line.*,
        name.name AS account_name,
        coalesce(exponent.digits, 2) AS digits,
        (10 ** coalesce(exponent.digits, 2))::BIGINT AS unit
    FROM journal_lines AS line
    INNER JOIN journal_names AS name ON line.code = name.code
    LEFT JOIN journal_exponents AS exponent ON line.currency = exponent.currency
)

SELECT
    strftime(day, '%Y-%m-%d') AS "date",
    getvariable('journal_prefix') || lpad(journal::VARCHAR, 7, '0') AS journal_number,
    line,
    code AS account_code,
    cell(account_name) AS account_name,
    CASE WHEN debit_minor > 0 THEN decimal_text(debit_minor, unit, digits) END AS debit,
    CASE WHEN credit_minor > 0 THEN decimal_text(credit_minor, unit, digits) END AS credit,
    currency,
    cell(nullif(reference, '')) AS reference,
    cell(narration) AS narration
FROM shown
ORDER BY journal, line
