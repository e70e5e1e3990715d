-- Roles are cluster-wide and may be there already; the service's role owns nothing.
do $$
begin
    if not exists (select from pg_roles where rolname = 'khata_app') then
        create role khata_app nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'khata_reader') then
        create role khata_reader nologin;
    end if;
end $$;

-- So that one URL can migrate and serve (`role` in the settings).
grant khata_app, khata_reader to current_user;

grant usage on schema public to khata_app;
create schema offline;
grant usage on schema offline to khata_reader;
