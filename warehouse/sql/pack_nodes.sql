-- grain: one node of a sealed tree that a pack needs
-- inputs: pack_places, proof_seals, proof_leaves, proof_nodes
-- owner: finance
WITH place AS (
    SELECT
        pack_places.seal,
        pack_places.level,
        pack_places.node_index,
        seal.day,
        seal.part
    FROM pack_places
    INNER JOIN proof_seals AS seal ON pack_places.seal = seal.number
)

SELECT
    place.seal,
    place.level,
    place.node_index,
    lower(hex(node.hash)) AS hash
FROM place
INNER JOIN proof_nodes AS node
    ON place.day = node.day
    AND place.part = node.part
    AND place.level = node.level
    AND place.node_index = node.node_index
WHERE node.tree = 'entries'
UNION ALL
SELECT
    place.seal,
    place.level,
    place.node_index,
    lower(hex(leaf.hash)) AS hash
FROM place
INNER JOIN proof_leaves AS leaf
    ON place.day = leaf.day
    AND place.part = leaf.part
    AND place.level = 0
    AND place.node_index = leaf.leaf_index
WHERE leaf.tree = 'entries'
