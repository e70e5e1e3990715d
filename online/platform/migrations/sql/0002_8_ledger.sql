-- The ledger: journals that say what has happened already pass the floor of an account.

-- How far an account stands past its floor or ceiling because of forced journals, 0 for most.
-- The writer sets it after each posting; it shrinks as money comes in.
alter table ledger_accounts
    add column forced bigint not null default 0
        constraint ledger_accounts_forced check (forced >= 0),
    drop constraint ledger_accounts_floor,
    drop constraint ledger_accounts_ceiling,
    add constraint ledger_accounts_floor check (floor is null or least(
        case normal_side when 'C' then posted else -posted end,
        case normal_side when 'C' then posted + pending else -(posted + pending) end)
        >= floor - forced),
    add constraint ledger_accounts_ceiling check (ceiling is null or greatest(
        case normal_side when 'C' then posted else -posted end,
        case normal_side when 'C' then posted + pending else -(posted + pending) end)
        <= ceiling + forced);
