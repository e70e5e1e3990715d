-- What a merchant and we agreed on, and what refunds return under it.

alter table merchants
    add column mdr_on_refund text not null default 'kept'
        check (mdr_on_refund in ('kept', 'returned')),
    add column size text not null default 'standard' check (size in ('standard', 'small')),
    add column version bigint not null default 1 check (version > 0);

-- Every version of a merchant's terms and who agreed to it: books are judged by the terms of
-- their day.
create table merchant_terms (
    merchant_id          uuid        not null references merchants,
    version              bigint      not null,
    settlement_days      smallint    not null,
    exposure_limit_minor bigint      not null,
    mdr_on_refund        text        not null,
    size                 text        not null,
    requires_signature   boolean     not null,
    actor                text        not null,
    agreed_at            timestamptz not null,
    livemode             boolean     not null,
    primary key (merchant_id, version)
);
insert into merchant_terms
select id, version, settlement_days, exposure_limit_minor, mdr_on_refund, size,
    requires_signature, 'migration', created_at, livemode
from merchants;
create trigger append_only before update or delete on merchant_terms
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on merchant_terms
    execute function khata_refuse_change();
grant select, insert on merchant_terms to khata_app;

alter table refunds
    add column mdr_on_refund text not null default 'kept'
        check (mdr_on_refund in ('kept', 'returned')),
    add column fee_returned_minor bigint not null default 0 check (fee_returned_minor >= 0),
    add column tax_returned_minor bigint not null default 0 check (tax_returned_minor >= 0);
create index refunds_merchant on refunds (merchant_id, id);
