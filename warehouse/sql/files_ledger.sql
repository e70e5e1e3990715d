-- grain: one ledger row of a CSV file, as the engine reads it; `wrong` names a value it cannot read
-- inputs: file_ledger (all text), in_words, in_debits
-- owner: finance
WITH typed AS (
    SELECT
        entry_id AS row_id,
        payment_id,
        coalesce(kinds.meaning, lower(file_ledger.kind), '') AS kind,
        reference,
        abs(try_cast(amount_minor AS BIGINT)) AS size_minor,
        upper(trim(currency)) AS currency,
        CASE
            WHEN kind = 'reversal' AND statuses.word = 'reversed' THEN 'success'
            ELSE coalesce(statuses.meaning, lower(trim(file_ledger.status)), 'success')
        END AS status,
        route AS rail,
        -- As microseconds of UTC, since sums in a time zone are slow.
        make_timestamp(epoch_us(try_cast(occurred_at AS TIMESTAMPTZ))) AS at_time,
        counterparty,
        CASE
            WHEN row_id IS NULL THEN 'entry_id'
            WHEN size_minor IS NULL OR NOT regexp_full_match(amount_minor, '\s*[+-]?[0-9]+\s*') THEN 'amount_minor'
            WHEN currency IS NULL THEN 'currency'
            WHEN at_time IS NULL AND occurred_at IS NOT NULL THEN 'occurred_at'
        END AS wrong,
        CASE wrong
            WHEN 'amount_minor' THEN amount_minor WHEN 'occurred_at' THEN occurred_at
        END AS wrong_value
    FROM file_ledger
    LEFT JOIN in_words AS kinds ON kinds.sort = 'kind' AND kinds.word = lower(file_ledger.kind)
    LEFT JOIN in_words AS statuses ON statuses.sort = 'status' AND statuses.word = lower(file_ledger.status)
)

SELECT
    row_id,
    payment_id,
    kind,
    reference,
    CASE WHEN kind IN (SELECT kind FROM in_debits) THEN -size_minor ELSE size_minor END AS amount_minor,
    currency,
    status,
    rail,
    (at_time + INTERVAL 330 MINUTE)::DATE AS day,
    -- The bank's day ends at 21:00 in India, that is 15:30 UTC: what comes later is due a day on.
    (at_time + INTERVAL 510 MINUTE - INTERVAL 1 MICROSECOND)::DATE AS due_on,
    counterparty,
    hash(reference, kind, currency) AS place,
    wrong,
    wrong_value
FROM typed
