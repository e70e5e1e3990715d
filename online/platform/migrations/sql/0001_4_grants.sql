-- What the service may do: append to the log, move its snapshots, nothing else.
grant select on payment_events, ledger_entries, ledger_transactions to khata_app;
-- Every column but `xid`: which transaction wrote a row is the database's own to say, and
-- ingestion relies on it.
grant insert (id, aggregate_id, aggregate_type, event_type, version, timestamp, merchant_id, data,
    metadata, livemode) on payment_events to khata_app;
grant insert (id, cause, kind, reference, merchant_id, business_date, effective_at, created_at,
    metadata, livemode) on ledger_transactions to khata_app;
grant insert (id, transaction_id, account_id, account_version, amount_cents, currency, entry_type,
    balance_after, layer, business_date, effective_at, created_at, livemode)
    on ledger_entries to khata_app;
grant select, insert, update on
    ledger_accounts, idempotency_keys, limit_counters, merchants, api_clients, publishable_keys,
    signing_keys, customers, card_tokens, intents, payments, attempts, refunds, settlements,
    breaks, work_requests to khata_app;
grant select, insert on statements, risk_activity, risk_labels to khata_app;
grant select, insert, update, delete on outbox to khata_app;
grant delete on idempotency_keys to khata_app;
grant select on database_epoch to khata_app;
