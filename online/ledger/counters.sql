-- name: used
-- All counters of some subjects, whatever their window.
select subject, rule, window_start, used from limit_counters
where subject = any(%(subjects)s::text[])

-- name: standing
-- Where named windows of named counters stand; one that never moved is not there.
select c.subject, c.rule, c.window_start, c.used
from limit_counters c
join unnest(%(subjects)s::text[], %(rules)s::text[], %(windows)s::date[]) u (subject, rule, window_start)
    on c.subject = u.subject and c.rule = u.rule and c.window_start = u.window_start
