-- What ingestion reads.

select 1;
