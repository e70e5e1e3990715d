-- grain: one capture, reversal, confirmed refund or lost dispute on a rail's receivable (all but
--   captures negative); one transfer between people, or its return (negative)
-- owner: finance
-- day: business_date
CREATE TABLE stg_ledger_rows (
    entry_id VARCHAR,
    transaction_id UUID,
    payment_id VARCHAR,
    kind VARCHAR,
    reference VARCHAR,
    amount_minor BIGINT,
    currency VARCHAR,
    rail VARCHAR,
    business_date DATE,
    occurred_at TIMESTAMPTZ
);
