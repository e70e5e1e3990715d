-- What a card token knows about its card: whether it is the card itself or a network's stand-in
-- for it, and what the BIN tells. A BIN that nobody lists leaves the rest empty.

alter table card_tokens
    add column kind text not null default 'card' check (kind in ('card', 'network_token')),
    add column funding text check (funding in ('credit', 'debit', 'prepaid')),
    add column issuer text,
    add column country varchar(2),
    add column category text;
