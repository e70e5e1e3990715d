-- grain: one break of the run: what can be told of it from its rows and their files
-- inputs: day_breaks, day_attempts, in_ledger, in_rail, in_bank, in_through, recon_breaks, raw_rail_rows,
--   raw_bank_files, raw_file_parts, raw_events
-- owner: finance
WITH member AS (
    SELECT
        break_id,
        unnest(row_ids) AS row_id
    FROM day_breaks
),

ours AS (
    SELECT
        member.break_id,
        min(ledger.kind) AS kind,
        bool_or(ledger.due_on > ledger.day) AS is_after_cut_off,
        max(ledger.due_on) AS due_on,
        count(*) > 1 AND count(DISTINCT ledger.payment_id) = 1 AND count(ledger.payment_id) = count(*)
            AS is_one_payment
    FROM member
    INNER JOIN in_ledger AS ledger ON member.row_id = ledger.row_id
    GROUP BY member.break_id
),

-- Settlements and bank days that a later issue said otherwise.
reissued AS (
    SELECT DISTINCT
        kind,
        holder,
        part
    FROM raw_file_parts
    WHERE standing = 'superseded'
),

theirs AS (
    SELECT
        member.break_id,
        count(DISTINCT split_part(rail.row_id, '-', 1)) > 1 AS is_in_two_files,
        sum(rail.fee_minor + rail.tax_minor) AS charges_minor,
        bool_and(rail.status = 'success') AS is_success,
        bool_or(reissued.part IS NOT NULL) AS was_reissued,
        min(raw.txn_time) AS txn_time
    FROM member
    INNER JOIN in_rail AS rail ON member.row_id = rail.row_id
    LEFT JOIN raw_bank_files AS file ON split_part(rail.row_id, '-', 1) = file.file_sha256[:16]
    LEFT JOIN raw_rail_rows AS raw
        ON file.file_sha256 = raw.file_sha256 AND split_part(rail.row_id, '-', 2) = raw.row_no::VARCHAR
            AND rail.day = raw.settled_on
    LEFT JOIN reissued
        ON reissued.kind = 'rail' AND rail.rail = reissued.holder AND rail.settlement_id = reissued.part
    GROUP BY member.break_id
),

booked AS (
    SELECT
        member.break_id,
        max(bank.day) AS booked_on,
        min(bank.account) AS bank_account,
        bool_or(reissued.part IS NOT NULL) AS was_reissued
    FROM member
    INNER JOIN in_bank AS bank ON member.row_id = bank.row_id
    LEFT JOIN raw_file_parts AS live
        ON live.kind = 'bank' AND split_part(bank.row_id, '-', 1) = live.file_sha256[:16]
            AND bank.day = live.day_from
    LEFT JOIN reissued
        ON reissued.kind = 'bank' AND live.holder = reissued.holder AND live.part = reissued.part
    GROUP BY member.break_id
),

-- The rail's row was there, in a file that another one has taken the place of.
taken_back AS (
    SELECT DISTINCT day_breaks.break_id
    FROM day_breaks
    INNER JOIN raw_rail_rows AS raw
        ON day_breaks.reference = raw.order_ref
            AND raw.settled_on BETWEEN day_breaks.business_date - 45 AND day_breaks.business_date + 45
    INNER JOIN raw_file_parts AS part
        ON raw.file_sha256 = part.file_sha256 AND raw.rail = part.holder AND raw.settlement_id = part.part
    WHERE part.kind = 'rail' AND part.standing = 'superseded'
),

-- Money that came for nobody, and a settlement of the same amount that did not come.
at_bank AS (
    SELECT break_id, kind, currency, business_date, expected_minor, actual_minor
    FROM day_breaks
    WHERE side = 'bank' AND kind IN ('unexpected_credit', 'missing_external')
    UNION
    SELECT stored.break_id, stored.kind, stored.currency, stored.business_date, stored.expected_minor,
        stored.actual_minor
    FROM recon_breaks AS stored
    WHERE stored.side = 'bank' AND stored.kind IN ('unexpected_credit', 'missing_external')
        AND stored.business_date BETWEEN (SELECT min(business_date) - 7 FROM day_breaks)
        AND (SELECT max(business_date) + 7 FROM day_breaks)
),

twins AS (
    SELECT
        here.break_id,
        count(DISTINCT there.break_id) AS twins
    FROM at_bank AS here
    INNER JOIN at_bank AS there
        ON here.currency = there.currency AND here.kind <> there.kind
            AND here.expected_minor = there.actual_minor AND here.actual_minor = there.expected_minor
            AND abs(here.business_date - there.business_date) <= 7
    GROUP BY here.break_id
),

-- Several breaks that share their twin are no surer of it than one that has several.
sharing AS (
    SELECT
        here.break_id,
        count(*) AS alike
    FROM at_bank AS here
    INNER JOIN at_bank AS there
        ON here.currency = there.currency AND here.kind = there.kind
            AND here.expected_minor = there.expected_minor AND here.actual_minor = there.actual_minor
            AND abs(here.business_date - there.business_date) <= 7
    GROUP BY here.break_id
),

-- A debit that the same files show to have gone back to the payer.
returned AS (
    SELECT
        rail,
        reference
    FROM in_rail
    WHERE kind IN ('capture', 'reversal', 'p2p', 'p2p_return') AND reference IN (SELECT day_breaks.reference FROM day_breaks)
    GROUP BY rail, reference
    HAVING count(DISTINCT kind) = 2 AND sum(gross_minor) = 0
),

-- What we last heard of the attempt that the rail's row names.
heard AS (
    SELECT
        named.break_id,
        arg_max(event.event_type, event.version) AS last_event
    FROM day_attempts AS named
    INNER JOIN raw_events AS event ON named.attempt_id = event.aggregate_id
    GROUP BY named.break_id
)

SELECT
    day_breaks.break_id,
    coalesce(
        day_breaks.row_type,
        CASE
            WHEN ours.kind = 'payout' THEN 'payout'
            WHEN day_breaks.side = 'bank' AND day_breaks.kind <> 'unexpected_credit' THEN 'settlement'
        END
    ) AS row_type,
    coalesce(theirs.was_reissued, false) OR coalesce(booked.was_reissued, false)
    OR taken_back.break_id IS NOT NULL AS was_reissued,
    contains(day_breaks.reason, 'ambiguous') AS is_ambiguous,
    coalesce(ours.is_one_payment, false) AS is_one_payment,
    coalesce(theirs.is_in_two_files, false) AS is_in_two_files,
    coalesce(
        day_breaks.expected_minor - day_breaks.actual_minor = theirs.charges_minor
        AND theirs.charges_minor <> 0, false
    ) AS differs_by_charges,
    abs(day_breaks.expected_minor - day_breaks.actual_minor) = 1 AS differs_by_a_unit,
    coalesce(twins.twins = 1 AND sharing.alike = 1, false) AS has_one_twin,
    coalesce(twins.twins > 1 OR twins.twins = 1 AND sharing.alike > 1, false) AS has_several_twins,
    day_breaks.side = 'rail' AND coalesce(day_breaks.row_type, '') IN ('capture', 'p2p')
    AND day_breaks.actual_minor > 0 AND coalesce(theirs.is_success, false) AND returned.reference IS NULL
        AS payer_was_debited,
    returned.reference IS NOT NULL AND day_breaks.kind IN ('missing_internal', 'reversed_unpaired')
        AS payer_has_it_back,
    coalesce(heard.last_event IN ('attempt.sent', 'attempt.pending', 'attempt.unknown'), false)
        AS outcome_is_unknown,
    day_breaks.side = 'rail' AND coalesce(through.through < ours.due_on, ours.due_on IS NOT NULL)
        AS file_is_missing,
    coalesce(ours.is_after_cut_off, false) AS is_after_cut_off,
    day_breaks.actual_minor < 0 AS is_a_debit,
    booked.booked_on,
    booked.bank_account,
    coalesce((theirs.txn_time AT TIME ZONE 'Asia/Kolkata')::DATE, day_breaks.business_date) AS moved_on
FROM day_breaks
LEFT JOIN ours ON day_breaks.break_id = ours.break_id
LEFT JOIN theirs ON day_breaks.break_id = theirs.break_id
LEFT JOIN booked ON day_breaks.break_id = booked.break_id
LEFT JOIN taken_back ON day_breaks.break_id = taken_back.break_id
LEFT JOIN twins ON day_breaks.break_id = twins.break_id
LEFT JOIN sharing ON day_breaks.break_id = sharing.break_id
LEFT JOIN heard ON day_breaks.break_id = heard.break_id
LEFT JOIN returned
    ON day_breaks.rail = returned.rail AND day_breaks.reference = returned.reference AND day_breaks.side = 'rail'
LEFT JOIN in_through AS through
    ON through.source = CASE WHEN is_memo(day_breaks.row_type) THEN 'p2p ' ELSE '' END || day_breaks.rail
