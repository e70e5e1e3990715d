-- grain: one suspense account whose balance is not what the open breaks have put there, nor what a
--   rail did beyond all room (those postings name their attempt)
-- inputs: raw_entries, raw_transactions, raw_accounts, raw_events
-- owner: finance
-- Books and events are cut at one place, so that nothing between the two is under way for long: a
-- break's posting and its opening come within one run.
WITH booked AS (
    SELECT
        account.code,
        entry.currency,
        entry.livemode,
        sum(entry.amount_minor) AS minor
    FROM raw_entries AS entry
    INNER JOIN raw_accounts AS account ON entry.account_id = account.id
    ANTI JOIN (
        SELECT id FROM raw_transactions WHERE starts_with(kind, 'unplaced_')
    ) AS unplaced ON entry.transaction_id = unplaced.id
    WHERE account.code LIKE 'suspense:%' AND entry.layer = 'posted'
    GROUP BY account.code, entry.currency, entry.livemode
),

told AS (
    SELECT
        aggregate_id,
        livemode,
        max(version) FILTER (event_type = 'break.opened') AS opened,
        max(version) FILTER (event_type = 'break.closed') AS closed,
        max(version) FILTER (
            event_type IN ('break.resolved', 'break.written_off', 'break.write_off_approved')
        ) AS decided,
        arg_max(data, version) FILTER (event_type = 'break.opened') AS data
    FROM raw_events
    WHERE aggregate_type = 'break'
    GROUP BY aggregate_id, livemode
),

held AS (
    SELECT
        data ->> '$.suspense_account' AS code,
        data ->> '$.currency' AS currency,
        livemode,
        sum((data ->> '$.suspense')::BIGINT) AS minor
    FROM told
    -- Open, and nobody has moved its money since.
    WHERE coalesce(opened > closed, true) AND coalesce(opened > decided, true)
        AND (data ->> '$.suspense_account') IS NOT NULL
    GROUP BY ALL
)

SELECT
    coalesce(booked.code, held.code) AS account,
    coalesce(booked.currency, held.currency) AS currency,
    coalesce(booked.livemode, held.livemode) AS livemode,
    coalesce(booked.minor, 0)::BIGINT AS booked_minor,
    coalesce(held.minor, 0)::BIGINT AS breaks_minor
FROM booked
FULL JOIN held
    ON booked.code = held.code AND booked.currency = held.currency AND booked.livemode = held.livemode
WHERE coalesce(booked.minor, 0) <> coalesce(held.minor, 0)
