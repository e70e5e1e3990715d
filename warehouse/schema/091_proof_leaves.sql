-- grain: one row of a sealed day as a leaf of its tree, numbered from 0
-- owner: platform
-- day: day
CREATE TABLE proof_leaves (
    day DATE,
    part INTEGER,
    tree VARCHAR,
    leaf_index BIGINT,
    source_id UUID,
    owner_id UUID,
    hash BLOB
);
