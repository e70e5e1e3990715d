-- name: waiting
-- Keys of jobs that nobody has begun.
select queue_name as lane, queueing_lock as key from jobs.procrastinate_jobs
where status = 'todo' and queue_name = any(%(lanes)s) and queueing_lock is not null

-- name: take_outbox
-- Rows that are due leave the outbox in the transaction that makes jobs of them.
delete from outbox
where id in (
    select id from outbox
    where run_at <= %(now)s and topic = any(%(topics)s)
    order by run_at
    limit %(most)s
    for update skip locked)
returning id, topic, payload, livemode

-- name: drop_dead
-- Jobs that a dead worker had begun. What they were for is found again by looking.
delete from jobs.procrastinate_jobs j
where j.status = 'doing' and j.queue_name <> %(kept)s
    and (j.worker_id is null or exists (
        select from jobs.procrastinate_workers w
        where w.id = j.worker_id
            and w.last_heartbeat < now() - make_interval(secs => %(silent_s)s)))

-- name: take_back
-- The same in the lane whose jobs are all there is of the work: begun anew. So are those that a
-- worker of an older version took and did not know.
update jobs.procrastinate_jobs j
set status = 'todo', attempts = j.attempts + 1, worker_id = null
where j.queue_name = %(kept)s
    and ((j.status in ('failed', 'aborted') and j.task_name = any(%(tasks)s))
        or (j.status = 'doing' and (j.worker_id is null or exists (
            select from jobs.procrastinate_workers w
            where w.id = j.worker_id
                and w.last_heartbeat < now() - make_interval(secs => %(silent_s)s)))))

-- name: forget_dead
delete from jobs.procrastinate_workers
where last_heartbeat < now() - make_interval(secs => %(silent_s)s)

-- name: depth
with lanes as (
    select queue_name as lane, count(*) filter (where status = 'todo') as waiting,
        min(id) filter (where status = 'todo') as first
    from jobs.procrastinate_jobs group by queue_name)
select lane, waiting, coalesce((
    select extract(epoch from now() - min(e.at))::float8
    from jobs.procrastinate_events e where e.job_id = lanes.first), 0) as oldest_s
from lanes
union all
select 'outbox_rows', count(*),
    coalesce(extract(epoch from %(now)s - min(run_at))::float8, 0)
from outbox where run_at <= %(now)s
