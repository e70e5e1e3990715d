-- Between people.

-- operations.kind: p2m | p2p. movements.type: P2P | P2P_RETURN, too: in the switch's own file of
-- them, and in no settlement.
alter table operations add column kind text not null default 'p2m';
