-- grain: one event that a decision saw, at or after a time of its own, in a series of its own
-- inputs: parity_spans (number, series, from_us, at_us, xmax, xip), parity_recent (kind, place,
--   series, at_us, xid)
-- owner: data-science
SELECT DISTINCT
    span.number,
    recent.kind,
    recent.place
FROM parity_spans AS span
INNER JOIN parity_recent AS recent
    ON
        span.series + span.from_us <= recent.series + recent.at_us
        AND span.series + span.at_us > recent.series + recent.at_us
-- One expression, for the join to be made by the two inequalities above.
WHERE CASE WHEN recent.xid < span.xmax THEN NOT list_contains(span.xip, recent.xid) END
