-- Lists, traces, keys.

-- Which kind of object a key made, by the prefix of its id. Keys of before have none.
alter table idempotency_keys add column resource_type varchar(8);
-- Keys go by age. They arrive in the order of time, so that a summary of blocks is enough, and
-- costs the writer nothing.
create index idempotency_keys_age on idempotency_keys using brin (created_at)
    with (autosummarize = on);

alter table customers add column version bigint not null default 1;
alter table customers add column erased_at timestamptz;

-- What stands beyond our own books: the hops of an attempt through files and statements.
create table trace_links (
    attempt_id   uuid        not null,
    hop          text        not null
        check (hop in ('rail_line', 'bank_line', 'settlement', 'statement')),
    reference    text        not null,
    at           date        not null,
    amount_minor bigint,
    sha256       bytea       check (octet_length(sha256) = 32),
    livemode     boolean     not null,
    recorded_at  timestamptz not null,
    primary key (attempt_id, hop, reference)
);
grant select, insert on trace_links to khata_app;

-- Entries of an account as a statement has them.
create index ledger_entries_days on ledger_entries
    (account_id, business_date, effective_at, account_version);
-- Those that came after their business day: with the days above, all that a cut can leave out.
create index ledger_entries_late on ledger_entries
    (account_id, greatest(effective_at, created_at))
    where business_date < (greatest(effective_at, created_at) at time zone 'Asia/Kolkata')::date;
-- An entry by its id, for cursors: ids come in the order of time, so that a summary of blocks
-- finds one in a few of them, and costs the writer nothing.
create index ledger_entries_id on ledger_entries using brin (id)
    with (pages_per_range = 32, autosummarize = on);
create index ledger_accounts_merchant on ledger_accounts (merchant_id)
    where merchant_id is not null;
create index ledger_accounts_stripes on ledger_accounts (code) where stripe > 0;
