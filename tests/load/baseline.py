"""What a user would otherwise have: plain SQL, one transaction a payment, driven by pgbench."""

import psycopg

from tests.load.stage import Stage

ACCOUNTS = 50

_PAYMENT = """
create function bench_account(code text, stripe int) returns uuid language sql immutable as
$$ select md5(code || ':' || stripe)::uuid $$;

insert into ledger_accounts (id, code, stripe, currency, normal_side, livemode)
select bench_account('merchant', n), 'merchant:' || n, 0, 'INR', 'C', false
from generate_series(1, 50) n;
insert into ledger_accounts (id, code, stripe, currency, normal_side, livemode)
select bench_account('rail', n), 'rail', n, 'INR', 'D', false from generate_series(0, 19) n;
insert into ledger_accounts (id, code, stripe, currency, normal_side, livemode)
select bench_account('fees', n), 'fees', n, 'INR', 'C', false from generate_series(0, 19) n;

-- The same rows as the writer's: 2 events, 1 transaction, 4 entries, 3 balances, 1 snapshot,
-- 1 idempotency key. Hot accounts are striped by client, as the writer's are by writer.
create function bench_pay(merchant int, client int) returns void language plpgsql as $$
declare
    pay uuid := khata_new_id(); txn uuid := khata_new_id();
    r record; m record; f record;
begin
    insert into idempotency_keys values
        (bench_account('merchant', merchant), pay::text, '\\x00', pay, 201, '{}', now(), false);
    update ledger_accounts set posted = posted + 9882, version = version + 2
        where id = bench_account('merchant', merchant) returning * into m;
    update ledger_accounts set posted = posted - 10000, version = version + 1
        where id = bench_account('rail', client) returning * into r;
    update ledger_accounts set posted = posted + 118, version = version + 1
        where id = bench_account('fees', client) returning * into f;
    insert into payments (id, merchant_id, status, amount_minor, currency, method, capture_method,
        priority, authorized_minor, captured_minor, version, livemode, created_at, updated_at)
        values (pay, m.id, 'captured', 10000, 'INR', 'upi', 'automatic', 'balanced', 10000, 10000,
        2, false, now(), now());
    insert into payment_events (id, aggregate_id, aggregate_type, event_type, version, merchant_id,
        data, metadata, livemode) values
        (khata_new_id(), pay, 'payment', 'payment.created', 1, m.id, bench_event(), '{}', false),
        (khata_new_id(), pay, 'payment', 'payment.captured', 2, m.id, bench_event(), '{}', false);
    insert into ledger_transactions (id, cause, kind, reference, merchant_id, business_date,
        effective_at, livemode) values
        (txn, pay, 'capture', pay::text, m.id, current_date, now(), false);
    insert into ledger_entries (id, transaction_id, account_id, account_version, amount_cents,
        currency, entry_type, balance_after, layer, business_date, effective_at, livemode) values
        (khata_new_id(), txn, r.id, r.version, -10000, 'INR', 'DEBIT', r.posted, 'posted',
            current_date, now(), false),
        (khata_new_id(), txn, m.id, m.version - 1, 10000, 'INR', 'CREDIT', m.posted + 118,
            'posted', current_date, now(), false),
        (khata_new_id(), txn, m.id, m.version, -118, 'INR', 'DEBIT', m.posted, 'posted',
            current_date, now(), false),
        (khata_new_id(), txn, f.id, f.version, 118, 'INR', 'CREDIT', f.posted, 'posted',
            current_date, now(), false);
end $$;

create function bench_event() returns jsonb language sql immutable as $$
    select '{"merchant_id": "mrc_01h455vb4pex5vsknk084sn02q", "mcc": "5812", "amount": 10000,
        "currency": "INR", "method": "upi", "capture_method": "automatic",
        "priority": "balanced", "instrument": "0011223344556677", "instrument_mask": "ra***@ybl"
        }'::jsonb $$;
"""

# Time-ordered ids, as ours: a random key would cost the baseline index locality.
_NEW_ID = """
create function khata_new_id() returns uuid language sql volatile as $$
    select (lpad(to_hex((extract(epoch from clock_timestamp()) * 1000)::bigint), 12, '0')
        || substr(md5(random()::text), 1, 20))::uuid $$;
"""

_TWO_ACCOUNTS = """
create table bench_accounts (id int primary key, balance bigint not null, version bigint not null)
    with (fillfactor = 60);
insert into bench_accounts select n, 0, 0 from generate_series(1, 50) n;
create table bench_transfers (id bigint generated always as identity primary key, payer int,
    payee int, amount bigint, at timestamptz default now());
create table bench_entries (id bigint generated always as identity primary key, transfer bigint,
    account int, amount bigint, balance bigint, version bigint, at timestamptz default now());
create function bench_transfer(payer int, payee int, amount bigint) returns bigint
language plpgsql as $$
declare a record; b record; made bigint;
begin
    perform 1 from bench_accounts where id in (payer, payee) order by id for update;
    update bench_accounts set balance = balance - amount, version = version + 1
        where id = payer returning * into a;
    update bench_accounts set balance = balance + amount, version = version + 1
        where id = payee returning * into b;
    insert into bench_transfers (payer, payee, amount) values (payer, payee, amount)
        returning id into made;
    insert into bench_entries (transfer, account, amount, balance, version) values
        (made, payer, -amount, a.balance, a.version), (made, payee, amount, b.balance, b.version);
    return made;
end $$;
"""


def payment_rows_per_s(stage: Stage, seconds: int) -> float:
    """One transaction a payment, the writer's rows in one call, 20 clients."""
    _, owner = stage.database("bench_rows")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(_NEW_ID)
        connection.execute(_PAYMENT)
    script = f"\\set m random(1, {ACCOUNTS})\nselect bench_pay(:m, :client_id);\n"
    return stage.pgbench("bench_rows", script, seconds)


def two_accounts_per_s(stage: Stage, seconds: int) -> float:
    """A SQL function that moves money between two of 50 accounts, 20 clients."""
    _, owner = stage.database("bench_two")
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(_TWO_ACCOUNTS)
    # Payer a and payee (a + d) mod 50, both from one number: pgbench 18 loses the prepared
    # statement of a script that sets two variables.
    script = (
        f"\\set n random(0, {ACCOUNTS * (ACCOUNTS - 1) - 1})\n"
        f"select bench_transfer(1 + :n / {ACCOUNTS - 1}, "
        f"1 + (:n / {ACCOUNTS - 1} + 1 + :n % {ACCOUNTS - 1}) % {ACCOUNTS}, 10000);\n"
    )
    return stage.pgbench("bench_two", script, seconds)
