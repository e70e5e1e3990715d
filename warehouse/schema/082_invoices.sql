-- grain: one tax invoice or credit note of a merchant and month, as online issued it
-- owner: finance
CREATE TABLE invoices (
    month DATE,
    merchant_id UUID,
    invoice_id VARCHAR,
    "number" VARCHAR,
    kind VARCHAR,
    currency VARCHAR,
    value_minor BIGINT,
    exempt_minor BIGINT,
    igst_minor BIGINT,
    cgst_minor BIGINT,
    sgst_minor BIGINT,
    total_minor BIGINT,
    livemode BOOLEAN,
    document JSON
);
