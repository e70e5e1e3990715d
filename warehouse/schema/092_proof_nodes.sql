-- grain: one inner node of a tree: level 1 joins leaves, the highest level is the root
-- owner: platform
-- day: day
CREATE TABLE proof_nodes (
    day DATE,
    part INTEGER,
    tree VARCHAR,
    level INTEGER,
    node_index BIGINT,
    hash BLOB
);
