-- Reversals, authorization expiry, and what is known about the card or the source of funds.

alter table payments
    add column funding text,
    add column card jsonb,
    add column card_checks jsonb,
    add column authorization_expires_at timestamptz;
create index payments_expiring on payments (authorization_expires_at)
    where status in ('authorized', 'captured', 'partially_refunded')
        and authorized_minor > captured_minor;

alter table attempts drop constraint attempts_operation_check;
alter table attempts add constraint attempts_operation_check
    check (operation in ('authorize', 'capture', 'void', 'reverse', 'refund', 'payout'));

create index intents_merchant on intents (merchant_id, id);
