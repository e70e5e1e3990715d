-- grain: one decision that some event came before and was not visible to, with the earliest such
-- inputs: parity_reads (series, number, at_us, xmax, xip), parity_late (series, at_us, xid)
-- owner: data-science
-- A series is the hash of an entity, in the upper half of a HUGEINT: with a time or a transaction
-- id in its lower half, two inequalities join within series, and cost what they find. Two series
-- with one hash only make the first event that counts as unseen an earlier one.
WITH flying AS (
    SELECT number, series, at_us, unnest(xip) AS xid FROM parity_reads
),

unseen AS (
    SELECT
        reading.number,
        late.at_us
    FROM parity_reads AS reading
    INNER JOIN parity_late AS late
        ON
            reading.series + reading.at_us > late.series + late.at_us
            AND reading.series + reading.xmax <= late.series + late.xid
    UNION ALL
    SELECT
        flying.number,
        late.at_us
    FROM flying
    INNER JOIN parity_late AS late
        ON flying.series = late.series AND flying.xid = late.xid
    WHERE late.at_us < flying.at_us
)

SELECT
    number,
    min(at_us) AS cut_us
FROM unseen
GROUP BY number
