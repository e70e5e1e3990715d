-- name: move_bounds
-- What the account stands past its new floor or ceiling counts as forced: it stays where it is, and
-- only what brings it nearer is let through until it is within them again. An account that is not open
-- yet is opened, or else a process that still has the old terms would open it with the old floor.
insert into ledger_accounts as a
    (id, code, stripe, currency, normal_side, floor, ceiling, merchant_id, livemode)
values (%(id)s, %(code)s, 0, %(currency)s, %(side)s, %(floor)s, %(ceiling)s, %(merchant_id)s,
    %(livemode)s)
on conflict (id) do update
set floor = excluded.floor,
    ceiling = excluded.ceiling,
    forced = greatest(0,
        excluded.floor - case a.normal_side when 'C' then least(a.posted, a.posted + a.pending)
            else least(-a.posted, -(a.posted + a.pending)) end,
        case a.normal_side when 'C' then greatest(a.posted, a.posted + a.pending)
            else greatest(-a.posted, -(a.posted + a.pending)) end - excluded.ceiling)
