#include "unit/route/corpus.h"

namespace howdah::route {

std::vector<std::string_view> plain_texts() {
  return {
      "",
      ";",
      "  -- nothing\n",
      "/* a /* b */ c */",
      // pgbench.
      "BEGIN;",
      "UPDATE pgbench_accounts SET abalance = abalance + -1290 WHERE aid = 78410;",
      "SELECT abalance FROM pgbench_accounts WHERE aid = $1;",
      "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2;",
      "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2;",
      "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 2, 3, -4, "
      "CURRENT_TIMESTAMP);",
      "BEGIN; UPDATE pgbench_accounts SET abalance = abalance + 1 WHERE aid = 1; END;",
      "select count(*) from pgbench_branches",
      "vacuum pgbench_branches",
      "truncate pgbench_history",
      "copy pgbench_accounts from stdin with (freeze on)",
      "vacuum analyze pgbench_accounts",
      // Rails.
      "SELECT 1",
      "SELECT \"users\".* FROM \"users\" WHERE \"users\".\"id\" = $1 LIMIT $2",
      "SELECT COUNT(*) FROM \"posts\" WHERE \"posts\".\"user_id\" IN ($1, $2, $3)",
      "INSERT INTO \"users\" (\"email\", \"created_at\") VALUES ($1, $2) RETURNING \"id\"",
      "INSERT INTO \"t\" (\"a\",\"b\") VALUES ($1, $2) ON CONFLICT (\"a\") DO UPDATE SET "
      "\"b\"=excluded.\"b\" RETURNING \"id\"",
      "INSERT INTO \"t\" (\"a\") VALUES ($1) ON CONFLICT DO NOTHING RETURNING \"id\"",
      "UPDATE \"users\" SET \"sign_in_count\" = COALESCE(\"sign_in_count\", 0) + 1 WHERE \"id\" = "
      "$1",
      "DELETE FROM \"sessions\" WHERE \"sessions\".\"id\" = $1",
      "SELECT DISTINCT ON (\"a\".\"id\") \"a\".* FROM \"a\" ORDER BY \"a\".\"id\", "
      "lower(\"a\".\"n\")",
      "SAVEPOINT active_record_1",
      "RELEASE SAVEPOINT active_record_1",
      "SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), "
      "a.attnotnull, a.atttypid, a.atttypmod, c.collname, col_description(a.attrelid, a.attnum) AS "
      "comment FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = "
      "d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid LEFT JOIN pg_collation c ON "
      "a.attcollation "
      "= c.oid WHERE a.attrelid = '\"users\"'::regclass AND a.attnum > 0 AND NOT a.attisdropped",
      "SELECT pg_try_advisory_xact_lock(1234)",
      "SHOW TIME ZONE",
      "SHOW max_identifier_length",
      "SHOW search_path",
      "SELECT SUM(\"orders\".\"total\") AS sum_total FROM \"orders\" GROUP BY \"orders\".\"day\"",
      "SELECT \"posts\".\"id\" FROM \"posts\" WHERE (title ILIKE '%it''s%') FOR UPDATE",
      // Django.
      "SELECT \"auth_user\".\"id\" FROM \"auth_user\" WHERE "
      "UPPER(\"auth_user\".\"username\"::text) = "
      "UPPER('Bob')  LIMIT 21",
      "SELECT (1) AS \"a\" FROM \"t\" WHERE \"t\".\"id\" = 1 LIMIT 1",
      "SAVEPOINT \"s139872_x1\"",
      "RELEASE SAVEPOINT \"s139872_x1\"",
      "SELECT EXTRACT('year' FROM \"t\".\"d\" AT TIME ZONE 'UTC') FROM \"t\"",
      "SELECT DATE_TRUNC('day', \"t\".\"d\" AT TIME ZONE 'Europe/Paris')::date FROM \"t\"",
      "DECLARE \"_django_curs_1\" NO SCROLL CURSOR FOR SELECT \"a\" FROM \"t\"",
      "FETCH FORWARD 2000 FROM \"_django_curs_1\"",
      "SELECT COUNT(CASE WHEN \"t\".\"a\" = 1 THEN 1 ELSE NULL END) AS \"c\" FROM \"t\"",
      "UPDATE \"t\" SET \"n\" = (\"t\".\"n\" + 1), \"m\" = NOW() WHERE \"t\".\"id\" = 1",
      "SELECT \"t\".\"id\", ROW_NUMBER() OVER (PARTITION BY \"t\".\"a\" ORDER BY \"t\".\"b\" DESC) "
      "FROM \"t\"",
      // Laravel.
      "select * from \"users\" where \"users\".\"id\" = $1 and \"users\".\"deleted_at\" is null "
      "limit 1",
      "insert into \"jobs\" (\"queue\", \"attempts\", \"payload\") values ($1, $2, $3) returning "
      "\"id\"",
      "select exists(select * from \"users\" where \"email\" = $1) as \"exists\"",
      "select * from \"jobs\" where \"queue\" = $1 and ((\"reserved_at\" is null and "
      "\"available_at\" <= "
      "$2) or (\"reserved_at\" <= $3)) order by \"id\" asc limit 1 FOR UPDATE SKIP LOCKED",
      "select count(*) as aggregate from \"posts\" where \"meta\"::jsonb ? 'a'",
      "update \"sessions\" set \"payload\" = $1, \"last_activity\" = $2 where \"id\" = $3",
      "select \"a\".* from \"a\" inner join \"b\" on \"a\".\"id\" = \"b\".\"a_id\" where "
      "\"b\".\"x\" in ($1)",
      // Hibernate and JDBC.
      "select u1_0.id,u1_0.name from users u1_0 where u1_0.id=$1",
      "select nextval('users_seq')",
      "insert into users (email,name,id) values ($1,$2,$3)",
      "select o1_0.id from orders o1_0 offset $1 rows fetch first $2 rows only",
      "select coalesce(max(e1_0.id),0) from e e1_0 where e1_0.a like $1 escape ''",
      "SELECT current_schema()",
      "START TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
      "BEGIN TRANSACTION ISOLATION LEVEL SERIALIZABLE READ WRITE DEFERRABLE",
      // psql, libpq, drivers.
      "SELECT pg_catalog.version()",
      "SELECT n.nspname as \"Schema\", c.relname as \"Name\", CASE c.relkind WHEN 'r' THEN 'table' "
      "WHEN "
      "'v' THEN 'view' END as \"Type\", pg_catalog.pg_get_userbyid(c.relowner) as \"Owner\" FROM "
      "pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE "
      "c.relkind IN ('r','p','') AND n.nspname !~ '^pg_toast' AND "
      "pg_catalog.pg_table_is_visible(c.oid) ORDER BY 1,2;",
      "SELECT t.oid, typarray FROM pg_type t JOIN pg_namespace ns ON typnamespace = ns.oid WHERE "
      "typname = 'hstore'",
      "select version()",
      "SELECT current_database(), current_user, inet_server_addr()",
      "SELECT pg_is_in_recovery()",
      "COPY t (a, b) FROM STDIN",
      "COPY public.\"T\" (a, \"b\") TO STDOUT WITH CSV HEADER",
      "COPY (SELECT a FROM t WHERE b = lower('X')) TO STDOUT WITH (FORMAT csv)",
      "COPY t FROM PROGRAM 'cat /etc/motd'",
      // Everything else.
      "VALUES (1, 'a'), (2, 'b')",
      "TABLE t",
      "(SELECT 1) UNION ALL (SELECT 2)",
      "WITH a AS (SELECT 1), b AS MATERIALIZED (SELECT 2) SELECT * FROM a, b",
      "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n+1 FROM t WHERE n < 100) SELECT sum(n) "
      "FROM t",
      "WITH d AS (DELETE FROM a WHERE b < now() - interval '1 day' RETURNING *) INSERT INTO c "
      "SELECT * "
      "FROM d",
      "SELECT * FROM unnest(ARRAY[1,2]) WITH ORDINALITY AS t(a, b)",
      "SELECT * FROM json_to_recordset('[]') AS x(a int, b text)",
      "SELECT a::numeric(10,2), b::varchar(20), c::character varying(5), d::public.mytype(3) FROM "
      "t",
      "SELECT CAST(a AS decimal(10, 2)), x::geometry(Point, 4326) FROM t",
      "SELECT count(*) FILTER (WHERE a > 1) OVER (PARTITION BY (b)) FROM t GROUP BY (c) ORDER BY "
      "(d)",
      "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY a) FROM t",
      "SELECT sum(a) OVER w FROM t WINDOW w AS (PARTITION BY b)",
      "SELECT * FROM a JOIN LATERAL (SELECT 1) x ON true CROSS JOIN (VALUES (1)) AS y(z)",
      "SELECT trim(both 'x' from a), substring(a from 1 for 2), position('a' in b), overlay(a "
      "placing "
      "b from 1), greatest(1, 2), nullif(a, b), extract(epoch from now()) FROM t",
      "SELECT a -> 'b' ->> 'c', a @> '{}'::jsonb, a || b, -a, a[1:2], (a).b, a.* FROM t",
      "SELECT 'create temp table', \"into\", t.execute, t.hold, t.\"create\" FROM t AS \"set\"",
      "SELECT E'it\\'s', U&'\\0041', $$a;b$$, $tag$ 'x $$ $tag$, B'01', X'ff', N'x'",
      "SELECT E'a\\''\n\t'b\\'', 'a'\n'b', 1.5e-3, .5, 10., $1",
      "SELECT temp, temporary, local FROM sensors",
      "SELECT set_config.a FROM set_config",
      "SELECT listen, notify FROM t; NOTIFY jobs, 'x'",
      "EXPLAIN (ANALYZE, BUFFERS) SELECT * FROM t",
      "EXPLAIN ANALYZE UPDATE t SET a = 1",
      "EXPLAIN (COSTS OFF) DECLARE c CURSOR FOR SELECT 1",
      "LOCK TABLE t IN EXCLUSIVE MODE",
      "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = s.b WHEN NOT MATCHED "
      "THEN "
      "DO NOTHING",
      "TRUNCATE a, b RESTART IDENTITY CASCADE",
      "VACUUM (VERBOSE, ANALYZE) t",
      "ANALYZE",
      "REINDEX TABLE t",
      "CLUSTER t USING i",
      "CHECKPOINT",
      "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
      "MOVE FORWARD 10 IN c",
      "SET LOCAL statement_timeout = 5000",
      "SET LOCAL TIME ZONE 'UTC'",
      "SET LOCAL ROLE app",
      "set local myapp.tenant to '42'",
      "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
      "SET TRANSACTION NOT DEFERRABLE",
      "SELECT 1; COMMIT",
      "SELECT \xc3\xa9t\xc3\xa9 FROM \"stra\xc3\x9f"
      "e\" WHERE a = '\xe2\x82\xac'",
      "SELECT pg_sleep(1)",
      "SELECT lo_creat(-1)",
      "SELECT * FROM generate_series(1, 10) g WHERE g BETWEEN (1) AND (2) AND NOT (g = ANY "
      "(ARRAY[3]))",
      "SELECT to_tsvector('english', a) @@ plainto_tsquery($1), ts_rank(b, c) FROM t",
      "SELECT jsonb_build_object('a', 1), jsonb_agg(x ORDER BY y), array_agg(DISTINCT z) FROM t",
      "SELECT date_part('year', now()), age(now()), to_char(now(), 'YYYY'), make_interval(days => "
      "10)",
  };
}

std::vector<std::string_view> harmless_texts() {
  return {
      "SELECT set_config('search_path', 'a', true)",
      "select set_config('a.b', $1, true), set_config($2, $3, true)",
      "SELECT set_config('x', 'y', 'on')",
      "SELECT \"lower\"('x'), pg_catalog.\"upper\"('y')",
      "UPDATE t SET (a, b) = (1, 2)",
      "INSERT INTO t (a) VALUES (1) ON CONFLICT ON CONSTRAINT x DO UPDATE SET (a) = ROW (1)",
      "SELECT c.relname FROM pg_catalog.pg_class c WHERE c.relname OPERATOR(pg_catalog.~) '^(t)$' "
      "COLLATE pg_catalog.default",
      "SELECT * FROM pg_settings",
      "SELECT a FROM t GROUP BY ROLLUP (a), CUBE (b), GROUPING SETS ((a), ())",
      "SELECT * FROM f_alias_table f(a, b)",
      "SELECT hold, execute FROM t",
      "DECLARE c CURSOR WITHOUT HOLD FOR SELECT 1",
      "MERGE INTO t USING s ON t.a = s.a WHEN NOT MATCHED THEN INSERT (a, b) VALUES (1, 2)",
      "SET CONSTRAINTS ALL DEFERRED",
      "SECURITY LABEL ON TABLE t IS 'x'",
      "ALTER SYSTEM SET work_mem = '1MB'",
      "SHOW \"x\"; SET LOCAL \"x\" = 1",
      "COMMIT PREPARED 'x'",
      "ROLLBACK PREPARED 'x'",
      "SELECT U&\"d\\0061ta\" FROM t",
      "SELECT a COLLATE \"C\", COLLATION FOR (a), x ILIKE (y), a IS NFC NORMALIZED FROM t",
      "SELECT * FROM (a JOIN (b JOIN c USING (x)) USING (y))",
      "COPY t FROM STDIN WITH (FORCE_NULL (a, b), FORMAT csv)",
      "WITH a (x) AS (SELECT 1), b (y) AS (SELECT 2) SELECT * FROM a, b",
      "ANALYZE t (a, b)",
  };
}

}  // namespace howdah::route
