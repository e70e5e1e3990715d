-- grain: one bank line that names one expected movement, by the strongest name it uses
-- inputs: recon_bank_expected, recon_bank_names, in_bank
-- owner: finance
WITH own AS (
    SELECT
        rowid AS line_no,
        ltrim(upper(trim(unnest([utr, reference]))), '0') AS name
    FROM in_bank
),

by_column AS (
    SELECT
        own.line_no,
        names.node,
        names.rule,
        names.strength
    FROM own
    INNER JOIN recon_bank_names AS names ON own.name = names.name
),

-- A line that gives a name of its own is not bound by what its narrative mentions besides.
told AS (
    SELECT
        rowid AS line_no,
        upper(narrative) AS narrative
    FROM in_bank
    ANTI JOIN by_column ON in_bank.rowid = by_column.line_no
    WHERE narrative IS NOT NULL
),

words AS (
    SELECT
        line_no,
        ltrim(unnest(list_distinct(list_concat(
            regexp_split_to_array(narrative, '[^A-Z0-9_.-]+'), regexp_split_to_array(narrative, '[^A-Z0-9_]+')
        ))), '0') AS name
    FROM told
),

by_word AS (
    SELECT
        words.line_no,
        names.node,
        names.rule,
        names.strength
    FROM words
    INNER JOIN recon_bank_names AS names ON words.name = names.name
    WHERE names.is_telling
),

-- Banks glue narratives together: a name that no other line uses may stand inside a word.
unused AS (
    SELECT *
    FROM recon_bank_names AS names
    ANTI JOIN by_column ON names.node = by_column.node
    ANTI JOIN by_word ON names.node = by_word.node
    WHERE length(names.name) >= 8
),

pieces AS (
    SELECT DISTINCT
        told.line_no,
        substr(told.narrative, unnest(range(1, length(told.narrative) - lengths.size + 2)), lengths.size) AS name
    FROM told
    ANTI JOIN by_word ON told.line_no = by_word.line_no
    CROSS JOIN (SELECT DISTINCT length(name) AS size FROM unused) AS lengths
),

by_piece AS (
    SELECT
        pieces.line_no,
        unused.node,
        unused.rule,
        unused.strength
    FROM pieces
    INNER JOIN unused ON pieces.name = unused.name
),

named AS (
    FROM by_column
    UNION ALL FROM by_word
    UNION ALL FROM by_piece
)

SELECT
    named.line_no,
    named.node,
    arg_min(named.rule, named.strength) AS rule,
    line.currency = expected.currency AS is_same_currency
FROM named
INNER JOIN in_bank AS line ON named.line_no = line.rowid
INNER JOIN recon_bank_expected AS expected ON named.node = expected.node
-- A payout and the bank's sending it back go by one name: the direction tells them apart.
WHERE expected.kind <> 'payout' OR sign(line.amount_minor) = sign(expected.amount_minor)
GROUP BY named.line_no, named.node, line.currency, expected.currency
-- A settlement that pays in two currencies is two movements: a line means the one in its own.
QUALIFY is_same_currency OR NOT bool_or(is_same_currency) OVER (PARTITION BY named.line_no)
