-- Statements: an unbroken number for each of a merchant's periods, and editions of it.

-- One row an edition. The same books never make a second one; whose number it is never changes.
create table statement_issues (
    merchant_id  uuid        not null references merchants,
    livemode     boolean     not null,
    number       bigint      not null check (number > 0),
    edition      integer     not null check (edition > 0),
    currency     varchar(3)  not null,
    start_date   date        not null,
    end_date     date        not null,
    warehouse_snapshot bigint not null check (warehouse_snapshot >= 0),
    books_sha256 bytea       not null check (octet_length(books_sha256) = 32),
    issued_at    timestamptz not null,
    primary key (merchant_id, number, edition),
    unique (merchant_id, currency, start_date, end_date, edition),
    check (start_date <= end_date)
);
create trigger append_only before update or delete on statement_issues
    for each row execute function khata_refuse_change();
create trigger no_truncate before truncate on statement_issues
    execute function khata_refuse_change();
grant select, insert on statement_issues to khata_app;

-- Files of a statement; those of before this step have no number.
alter table statements
    drop constraint statements_format_check,
    add constraint statements_format_check check (format in ('pdf', 'csv', 'json', 'pack')),
    add column number bigint,
    add column edition integer,
    add column content_sha256 bytea check (octet_length(content_sha256) = 32),
    add constraint statements_numbered
        check (num_nulls(number, edition, content_sha256) in (0, 3)),
    add constraint statements_issued
        foreign key (merchant_id, number, edition) references statement_issues;
create index statements_newest on statements (merchant_id, created_at desc, id desc);
