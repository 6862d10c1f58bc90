/* Requests by status, per minute. */
create or replace stream destination_sql_stream (
    status   varchar(8),
    requests integer,
    failed   integer,
    bytes    bigint
);
create or replace pump stream_pump as insert into destination_sql_stream
select stream s.status, count(*), sum(case when s.status like '5%' then 1 else 0 end), sum(s.bytes)
from source_sql_stream_001 as s
where s.bytes is not null
group by s.status, floor(s.rowtime to minute)
having count(*) > 10;
