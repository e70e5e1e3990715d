-- grain: one currency at the end of a business day: other people's money, and what covers it
-- owner: finance
-- day: business_date
CREATE TABLE mart_safeguarding (
    business_date DATE,
    currency VARCHAR,
    merchants_minor BIGINT,
    customers_minor BIGINT,
    refunds_minor BIGINT,
    payouts_in_transit_minor BIGINT,
    unexplained_minor BIGINT,
    not_yet_received_minor BIGINT,
    required_minor BIGINT,
    bank_minor BIGINT,
    cover_minor BIGINT
);
