-- What a card token knows about its card.

select 1;
