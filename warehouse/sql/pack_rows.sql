-- grain: one entry that a pack shows, as its canonical texts have it, with its place under a seal
-- inputs: pack_wanted, raw_entries, raw_transactions, proof_leaves, proof_seals
-- owner: finance
WITH sealed AS (
    SELECT
        leaf.source_id AS id,
        leaf.day,
        leaf.leaf_index,
        seal.number
    FROM proof_leaves AS leaf
    INNER JOIN proof_seals AS seal ON leaf.day = seal.day AND leaf.part = seal.part
    SEMI JOIN pack_wanted ON leaf.source_id = pack_wanted.id AND leaf.day = pack_wanted.day
    WHERE leaf.tree = 'entries' AND seal.number IS NOT NULL
)

SELECT
    wanted.role,
    sealed.number AS seal,
    sealed.leaf_index AS leaf,
    entry.id::VARCHAR AS id,
    entry.account_id::VARCHAR AS account_id,
    entry.account_version,
    entry.amount_minor,
    entry.balance_after,
    entry.business_date::VARCHAR AS business_date,
    strftime(entry.created_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS created_at,
    entry.currency,
    strftime(entry.effective_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS effective_at,
    entry.entry_type,
    entry.layer,
    entry.livemode,
    entry.transaction_id::VARCHAR AS transaction_id,
    posted.business_date::VARCHAR AS posted_business_date,
    posted.cause::VARCHAR AS posted_cause,
    strftime(posted.effective_at, '%Y-%m-%dT%H:%M:%S.%fZ') AS posted_effective_at,
    posted.id::VARCHAR AS posted_id,
    posted.kind AS posted_kind,
    posted.livemode AS posted_livemode,
    posted.merchant_id::VARCHAR AS posted_merchant_id,
    posted.metadata::VARCHAR AS posted_metadata,
    posted.reference AS posted_reference
FROM pack_wanted AS wanted
INNER JOIN raw_entries AS entry ON wanted.id = entry.id AND wanted.day = entry.business_date
LEFT JOIN raw_transactions AS posted
    ON entry.transaction_id = posted.id AND entry.business_date = posted.business_date
LEFT JOIN sealed ON wanted.id = sealed.id AND wanted.day = sealed.day
ORDER BY wanted.role, sealed.number, sealed.leaf_index, entry.id
