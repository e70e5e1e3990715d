-- What the service may do: append to the log, move its snapshots, nothing else.
grant select, insert on payment_events, ledger_entries, ledger_transactions to khata_app;
grant select, insert, update on
    ledger_accounts, idempotency_keys, limit_counters, merchants, api_clients, publishable_keys,
    signing_keys, customers, card_tokens, intents, payments, attempts, refunds, settlements,
    breaks, work_requests to khata_app;
grant select, insert on statements, risk_activity, risk_labels to khata_app;
grant select, insert, update, delete on outbox to khata_app;
grant delete on idempotency_keys to khata_app;
grant select on database_epoch to khata_app;
