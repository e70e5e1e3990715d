-- grain: one number: how many files have been stored
-- owner: finance
-- Every load replaces it, so that of two loads at the same time one fails at its commit and looks
-- again at what is there: appends alone would not get in each other's way.
CREATE TABLE raw_load_turn (
    turn BIGINT
);
