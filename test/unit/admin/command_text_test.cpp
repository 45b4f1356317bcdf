// The scanner of console commands.
#include "admin/command_text.h"

#include <doctest/doctest.h>

namespace {

using howdah::admin::CommandText;
using howdah::admin::read_command;
using Kind = CommandText::Kind;

Kind kind(std::string_view query) { return read_command(query).kind; }

TEST_CASE("a command is one or two words with blanks and one semicolon around") {
  for (const char* query : {"show pools", " show\tpools ", "\nSHOW\r\npools;", "SHOW pools ; \n",
                            "SHOW \"pools\"", "\"SHOW\" pools"}) {
    CommandText text = read_command(query);
    CAPTURE(query);
    CHECK(text.kind == Kind::Plain);
    CHECK(text.argument == "pools");
    CHECK(text.has_argument);
  }
  CommandText text = read_command("RELOAD;");
  CHECK(text.kind == Kind::Plain);
  CHECK(text.word == "RELOAD");
  CHECK_FALSE(text.has_argument);
}

TEST_CASE("nothing but blanks and a semicolon is the empty query") {
  for (const char* query : {"", " ", ";", " ; ", "\n\t\r"}) CHECK(kind(query) == Kind::Empty);
}

TEST_CASE("the whole text must match: no comments, no second statement, no third word") {
  for (const char* query :
       {"show pools; show stats", "show pools;;", ";show pools", "show pools --x", "/* */ reload",
        "-- reload", "show po-ols", "pause a b", "show 'pools'", "show\"pools\"", "show pools\"x\"",
        "kill_client 12.5", "=", "'", "\"", "pause \"", "pause \"a", "pause \"a\"\"",
        "switchover a b c", "switchover a ''",
        "switchover a 'b", "switchover a b; c", "pause a 'b'", "show p\xc3\xb6ols"}) {
    CAPTURE(query);
    CHECK(kind(query) == Kind::Invalid);
  }
}

TEST_CASE("an unclosed quote is never a command without argument") {
  CHECK(kind("PAUSE \"app") == Kind::Invalid);
  CHECK(kind("KILL \"") == Kind::Invalid);
  CHECK(kind("SET pool_mode = 'session") == Kind::Invalid);
}

TEST_CASE("an empty name is refused: PAUSE \"\" must not pause everything") {
  CHECK(kind("PAUSE \"\"") == Kind::TooLong);
  CHECK(kind("\"\"") == Kind::TooLong);
  CHECK(kind("SET \"\" = 1") == Kind::TooLong);
}

TEST_CASE("a NUL anywhere is refused") {
  CHECK(kind(std::string_view("RELOAD\0", 7)) == Kind::Invalid);
  CHECK(kind(std::string_view("PAUSE \"a\0b\"", 11)) == Kind::Invalid);
}

TEST_CASE("quoted names keep case and blanks, and a doubled quote is one quote") {
  CHECK(read_command("PAUSE \"My \"\"Db; -- x\"").argument == "My \"Db; -- x");
  CHECK(read_command("PAUSE MyDb").argument == "MyDb");
}

TEST_CASE("SET takes = or TO, and a word, a quoted word or a string as value") {
  for (const char* query : {"set a=b", "SET a = b;", "Set a to b", "SET a TO 'b'", "SET a='b' ;",
                            "SET a=\"b\"", "SET \"a\" to \"b\"", "SET a\nTO\nb", "SET a TO'b'"}) {
    CommandText text = read_command(query);
    CAPTURE(query);
    CHECK(text.kind == Kind::Set);
    CHECK(text.argument == "a");
    CHECK(text.value == "b");
  }
  CHECK(read_command("SET a = 'it''s; \"x\"'").value == "it's; \"x\"");
  CHECK(read_command("SET a = ''").kind == Kind::Set);
  CHECK(read_command("SET a = 'x").kind == Kind::Invalid);
  CHECK(read_command("SET a = 'x' 'y'").kind == Kind::Invalid);
  CHECK(read_command("SET a = -1").kind == Kind::Invalid);
  CHECK(read_command("SET a b").kind == Kind::Invalid);
  CHECK(read_command("SET a =").kind == Kind::Invalid);
}

TEST_CASE("a command has 15 bytes, an argument 63, a value 255, and not one more") {
  auto of = [](std::size_t count) { return std::string(count, 'a'); };
  CHECK(kind(of(15)) == Kind::Plain);
  CHECK(kind(of(16)) == Kind::TooLong);
  CHECK(kind("PAUSE " + of(63)) == Kind::Plain);
  CHECK(kind("PAUSE " + of(64)) == Kind::TooLong);
  CHECK(kind("PAUSE \"" + of(63) + "\"") == Kind::Plain);
  CHECK(kind("PAUSE \"" + of(64) + "\"") == Kind::TooLong);
  CHECK(kind("SET " + of(63) + " = " + of(255)) == Kind::Set);
  CHECK(kind("SET " + of(64) + " = x") == Kind::TooLong);
  CHECK(kind("SET k = '" + of(256) + "'") == Kind::TooLong);
}

}  // namespace
