-- name: insert_card
insert into card_tokens (
    id, merchant_id, fingerprint, pan_ciphertext, key_id, first6, last4, exp_month, exp_year,
    network, livemode, created_at, kind, funding, issuer, country, category
) values (
    %(id)s, %(merchant_id)s, %(fingerprint)s, %(pan_ciphertext)s, %(key_id)s, %(first6)s,
    %(last4)s, %(exp_month)s, %(exp_year)s, %(network)s, %(livemode)s, %(created_at)s, %(kind)s,
    %(funding)s, %(issuer)s, %(country)s, %(category)s
);

-- name: token
select id, merchant_id, fingerprint, first6, last4, exp_month, exp_year, network, livemode, kind,
    funding, issuer, country, category
from card_tokens
where id = %(id)s and merchant_id = %(merchant_id)s and purged_at is null;

-- name: sealed_card
select pan_ciphertext, key_id, exp_month, exp_year
from card_tokens
where id = %(id)s and merchant_id = %(merchant_id)s and purged_at is null;

-- name: sealed_text
select ciphertext, key_id from sealed_texts
where id = %(id)s and merchant_id = %(merchant_id)s and purpose = %(purpose)s;
