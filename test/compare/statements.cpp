// The texts that conversations are made of; see the header.
#include "compare/statements.h"

#include <cstdlib>
#include <map>

namespace howdah::compare {

namespace {

const std::vector<Statement> kAll = {
    {Kind::Plain, "select $1::int4 + 1 as next, '{m}' as mark", "i"},
    {Kind::Plain, "select $1::int4 * 2", "i"},
    {Kind::Plain, "select $1::text || '{m}', $2::int8 as big", "tb"},
    {Kind::Plain, "select upper($1::text)", "t"},
    {Kind::Plain, "select id, v from {t} order by id", ""},
    {Kind::Plain, "select id, v from {t} where id = $1", "i"},
    {Kind::Plain, "select v, id * 2 from {t} where v like $1 order by id", "t"},
    {Kind::Plain, "select id from {t} where id > $1 order by id for update", "i"},
    {Kind::Plain, "insert into {t} values ($1, $2) on conflict (id) do nothing", "it"},
    {Kind::Plain, "insert into {t} values ($1, '{m}') returning id, v", "i"},
    {Kind::Plain, "update {t} set v = $1 where id = $2", "ti"},
    {Kind::Plain, "delete from {t} where id = $1 returning *", "i"},
    {Kind::Plain, "insert into {d} values ($1)", "i"},
    {Kind::Plain, "select g, '{m}' from generate_series(1, $1::int4 % 10) as g", "i"},
    {Kind::Plain, "values (1, '{m}'), (2, null)", ""},
    {Kind::Plain, "select null::int4, ''::text, true, 1.5::float8, array[1, 2]", ""},
    {Kind::Plain, "", ""},
    {Kind::Plain, " ; ", ""},
    {Kind::Plain, "/* {m} */", ""},
    {Kind::Plain, "do $$ begin raise notice 'note {m}'; end $$", ""},
    {Kind::Plain, "select repeat('{m}', 300)", ""},
    {Kind::Plain, "set local work_mem = '3MB'", ""},
    {Kind::Plain, "explain (costs off) select 1", ""},
    {Kind::Plain, "with x as (select $1::int4 as a) select a, a + 1 from x", "i"},

    {Kind::Fails, "selekt 1 '{m}'", ""},
    {Kind::Fails, "select * from missing_{t}", ""},
    {Kind::Fails, "select 1 / $1::int4, '{m}'", "i"},
    {Kind::Fails, "select $1::nosuchtype", "t"},
    {Kind::Fails, "select 10 / (g - 3), '{m}' from generate_series(1, 5) g", ""},
    {Kind::Fails, "insert into {t} values (1, '{m}')", ""},
    {Kind::Fails, "select 1; select 2", ""},
    {Kind::Fails, "do $$ begin raise exception 'raised {m}' using hint = 'none'; end $$", ""},
    {Kind::Fails, "select $1", "t"},

    {Kind::Control, "begin", ""},
    {Kind::Control, "begin", ""},
    {Kind::Control, "begin isolation level repeatable read, read only", ""},
    {Kind::Control, "commit", ""},
    {Kind::Control, "commit", ""},
    {Kind::Control, "rollback", ""},
    {Kind::Control, "rollback", ""},
    {Kind::Control, "commit and chain", ""},
    {Kind::Control, "savepoint a", ""},
    {Kind::Control, "rollback to a", ""},
    {Kind::Control, "release a", ""},

    {Kind::CopyIn, "copy {t} from stdin", ""},
    {Kind::CopyIn, "copy {t} (id, v) from stdin with (format csv)", ""},
    {Kind::CopyOut, "copy (select * from {t} order by id) to stdout", ""},
    {Kind::CopyOut, "copy (select id, '{m}' from {t} order by id) to stdout with (format csv)", ""},

    {Kind::Setting, "set application_name = '{m}app'", ""},
    {Kind::Setting, "set local application_name = '{m}local'", ""},
    {Kind::Setting, "reset application_name", ""},
    {Kind::Setting, "set datestyle = 'German'", ""},
    {Kind::Setting, "set datestyle to iso, dmy", ""},
    {Kind::Setting, "set time zone 'Asia/Tokyo'", ""},
    {Kind::Setting, "set timezone to default", ""},
    {Kind::Setting, "set intervalstyle = 'sql_standard'", ""},
    {Kind::Setting, "set standard_conforming_strings = off", ""},
    {Kind::Setting, "set standard_conforming_strings = on", ""},
    {Kind::Setting, "set client_encoding = 'LATIN1'", ""},
    {Kind::Setting, "set names 'utf8'", ""},
    {Kind::Setting, "show application_name", ""},
    {Kind::Setting, "show datestyle", ""},
    {Kind::Setting, "select timestamptz '2024-03-01 12:00+00', interval '1 day 2 hours', '{m}'",
     ""},
    {Kind::Setting, "select current_setting('application_name'), current_setting('timezone')", ""},

    {Kind::Cursor, "declare cur cursor for select g, '{m}' from generate_series(1, 5) as g", ""},
    {Kind::Cursor, "fetch 2 from cur", ""},
    {Kind::Cursor, "move 1 from cur", ""},
    {Kind::Cursor, "close cur", ""},

    {Kind::Prepare, "prepare {n} as select 7 as seven, '{m}' as mark", ""},
    {Kind::Prepare, "prepare {n}(int) as select $1 + 1", ""},
    {Kind::Prepare,
     "PREPARE {n} (int, text) AS insert into {t} values ($1, $2) on conflict do nothing", ""},
    {Kind::Prepare, "prepare {n} as select id, v from {t} order by id", ""},
    {Kind::Prepare, "prepare {n}(int) as select 1 / $1", ""},
    {Kind::Prepare, "prepare {n} as selekt", ""},
    {Kind::Prepare, "execute {n}", ""},
    {Kind::Prepare, "execute {n}(5)", ""},
    {Kind::Prepare, "EXECUTE {n} (6, 'x')", ""},
    {Kind::Prepare, "execute {n}(0)", ""},
    {Kind::Prepare, "/* {m} */ execute {n}(1 + 1)", ""},
    {Kind::Prepare, "-- a comment\n execute {n}", ""},
    {Kind::Prepare, "deallocate {n}", ""},
    {Kind::Prepare, "DEALLOCATE PREPARE {n}", ""},
    {Kind::Prepare, "prepare {n} as select 8; execute {n}", ""},
    {Kind::Prepare, "deallocate {n}; select '{m}'", ""},
    {Kind::Prepare, "select 1; execute {n}; select 2", ""},

    {Kind::Discard, "discard all", ""},
    {Kind::Discard, "deallocate all", ""},
    {Kind::Discard, "DEALLOCATE PREPARE ALL", ""},
    {Kind::Discard, "discard plans", ""},
    {Kind::Discard, "discard temp", ""},
    {Kind::Discard, "reset all", ""},
    {Kind::Discard, "close all", ""},
};

void replace(std::string& text, std::string_view what, std::string_view with) {
  for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
}

constexpr std::string_view kMark = "mark-c";

}  // namespace

const std::vector<Statement>& statements(Kind kind) {
  static const std::map<Kind, std::vector<Statement>> sorted = [] {
    std::map<Kind, std::vector<Statement>> out;
    for (const Statement& statement : kAll) out[statement.kind].push_back(statement);
    return out;
  }();
  return sorted.at(kind);
}

const std::vector<std::string>& statement_names() {
  static const std::vector<std::string> names = {"s1",
                                                 "S_1",
                                                 "_pg3_0",
                                                 "pdo_stmt_00000001",
                                                 "__asyncpg_stmt_1__",
                                                 "stmtcache_1",
                                                 "howdah_1",
                                                 "PGBOUNCER_1",
                                                 "howdah_0000000000000001",
                                                 "a name; with \"quotes\" 'in' it",
                                                 std::string(62, 'n') + "\xc3\xa9",
                                                 std::string(100, 'l'),
                                                 std::string(100, 'l') + "2",
                                                 "$1",
                                                 "all"};
  return names;
}

std::string mark(int slot) { return std::string(kMark) + std::to_string(slot) + "-"; }

int foreign_mark(std::string_view bytes, int slot) {
  for (std::size_t at = 0; (at = bytes.find(kMark, at)) != std::string_view::npos;) {
    at += kMark.size();
    int found = std::atoi(std::string(bytes.substr(at, 6)).c_str());
    if (found != slot) return found;
  }
  return -1;
}

std::string fill_in(std::string_view text, int slot, std::string_view name) {
  std::string out(text);
  replace(out, "{t}", "t" + std::to_string(slot));
  replace(out, "{d}", "d" + std::to_string(slot));
  replace(out, "{m}", mark(slot));
  replace(out, "{n}", name);
  return out;
}

std::string with_literals(std::string text, std::string_view types) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    replace(text, "$" + std::to_string(i + 1), types[i] == 't' ? "'x'" : "3");
  }
  return text;
}

std::string quote_name(std::string_view name) {
  std::string out = "\"";
  for (char c : name) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + "\"";
}

std::string make_tables(int slot) {
  return fill_in(
      "create table {t} (id int4 primary key, v text);"
      "create table {d} (id int4 unique deferrable initially deferred);",
      slot);
}

std::string restore_tables(int slot) {
  return fill_in(
      "delete from {d}; delete from {t};"
      "insert into {t} select g, 'row ' || g from generate_series(1, 5) g",
      slot);
}

}  // namespace howdah::compare
