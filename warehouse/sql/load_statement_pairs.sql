-- grain: a statement of the file just stored and one of another file, of days that both cover
-- inputs: raw_bank_balances
-- owner: finance
WITH theirs AS (
    SELECT
        *,
        -- An opening balance may bear the date of the day before, which is another statement's.
        greatest(
            coalesce(opening_date, closing_date),
            coalesce(
                lag(closing_date) OVER (
                    PARTITION BY file_sha256, account, currency ORDER BY closing_date
                ) + 1,
                opening_date,
                closing_date
            )
        ) AS day_from
    FROM raw_bank_balances
    WHERE list_contains($rivals, file_sha256)
)

SELECT
    mine.account,
    mine.currency,
    theirs.file_sha256 AS rival,
    theirs.day_from,
    theirs.closing_date AS day_to,
    -- The same statement again: same days, and the same balance to begin with or the same number.
    mine.opening_date IS NOT DISTINCT FROM theirs.opening_date
    AND mine.closing_date = theirs.closing_date
    AND (
        mine.opening_minor = theirs.opening_minor
        OR (mine.statement_id <> '' AND mine.statement_id = theirs.statement_id)
    ) AS again,
    -- Another page of the same day: one opens where the other closes.
    mine.opening_minor IS DISTINCT FROM theirs.opening_minor
    AND (mine.opening_minor = theirs.closing_minor OR mine.closing_minor = theirs.opening_minor)
        AS continues
FROM raw_bank_balances AS mine
INNER JOIN theirs
    ON mine.account = theirs.account AND mine.currency = theirs.currency
WHERE mine.file_sha256 = $digest
    AND coalesce(mine.opening_date, mine.closing_date) <= theirs.closing_date
    AND coalesce(theirs.opening_date, theirs.closing_date) <= mine.closing_date
