// The commands: rights, what Control is asked, tags and error texts.
#include "admin/commands.h"

#include "admin/shows.h"
#include "run.h"

namespace {

using namespace howdah;
using admin::Rights;
using test::Answers;
using test::error_of;
using test::FakeControl;
using test::run;
using Calls = std::vector<std::string>;

// A well-formed use of every command of the table.
std::string sample(std::string_view word) {
  if (word == "SET") return "SET pool_mode = transaction";
  if (word == "KILL_CLIENT") return "KILL_CLIENT 7";
  if (word == "DISABLE" || word == "ENABLE") return std::string(word) + " app";
  if (word == "SHOW" || word == "SELECT") return std::string(word) + " version";
  return std::string(word);
}

TEST_CASE("with stats rights every command but SHOW and SELECT needs admin access") {
  std::size_t denied = 0;
  for (const admin::Command& command : admin::commands()) {
    CAPTURE(command.word);
    FakeControl control;
    if (command.word == "SHOW" || command.word == "SELECT") {
      CHECK(run(control, sample(command.word), Rights::Stats).tag == "SHOW");
      continue;
    }
    ++denied;
    CHECK(command.rights == Rights::Admin);
    CHECK(error_of(control, sample(command.word), Rights::Stats) == "admin access needed");
    // Also with nothing or nonsense behind it: rights come first.
    CHECK(error_of(control, command.word, Rights::Stats) == "admin access needed");
    CHECK(error_of(control, std::string(command.word) + " nonsense", Rights::Stats) ==
          "admin access needed");
    CHECK(control.calls.empty());
  }
  CHECK(denied == 13);
}

TEST_CASE("stats rights show everything but FDS") {
  for (const admin::Show* show : admin::all_shows()) {
    CAPTURE(show->word);
    FakeControl control;
    auto answer = run(control, base::cat("SHOW ", show->word), Rights::Stats);
    bool refused = answer.error && answer.error->message == "admin access needed";
    CHECK(refused == (show->word == "FDS"));
  }
}

TEST_CASE("each command asks Control for one thing and answers with its tag") {
  struct Case {
    const char *query, *call, *tag;
  };
  for (Case c :
       {Case{"RELOAD", "reload", "RELOAD"},
        {"set pool_mode = 'session';", "set pool_mode=session", "SET pool_mode=session"},
        {"SET Verbose TO 2", "set Verbose=2", "SET Verbose=2"},
        {"PAUSE", "pause()", "PAUSE"},
        {"pause app", "pause(app)", "PAUSE"},
        {"PAUSE \"My Db\"", "pause(My Db)", "PAUSE"},
        {"Resume", "resume()", "RESUME"},
        {"RESUME app;", "resume(app)", "RESUME"},
        {"DISABLE app", "disable(app)", "DISABLE"},
        {"ENABLE app", "enable(app)", "ENABLE"},
        {"RECONNECT", "reconnect()", "RECONNECT"},
        {"RECONNECT app", "reconnect(app)", "RECONNECT"},
        {"KILL", "kill()", "KILL"},
        {"KILL app", "kill(app)", "KILL"},
        {"SWITCHOVER app", "switchover(app,)", "SWITCHOVER"},
        {"SWITCHOVER app db2;", "switchover(app,db2)", "SWITCHOVER"},
        {"SWITCHOVER \"app\" 'db2:5433'", "switchover(app,db2:5433)", "SWITCHOVER"},
        {"WAIT_CLOSE", "wait_close()", "WAIT_CLOSE"},
        {"WAIT_CLOSE app", "wait_close(app)", "WAIT_CLOSE"},
        {"SHUTDOWN WAIT_FOR_SERVERS", "shutdown servers", "SHUTDOWN"},
        {"shutdown wait_for_clients", "shutdown clients", "SHUTDOWN"}}) {
    CAPTURE(c.query);
    FakeControl control;
    auto answer = run(control, c.query);
    CHECK(control.calls == Calls{c.call});
    CHECK(answer.tag == c.tag);
    CHECK(answer.columns.empty());
  }
}

TEST_CASE("what Control refuses becomes the error text, with 08P01 whatever its code") {
  for (const char* query :
       {"PAUSE", "PAUSE app", "RESUME", "RESUME app", "DISABLE app", "ENABLE app", "RECONNECT app",
        "KILL app", "SWITCHOVER app", "WAIT_CLOSE app", "SHUTDOWN", "SHUTDOWN WAIT_FOR_SERVERS"}) {
    CAPTURE(query);
    FakeControl control;
    control.result = base::Error{"3D000", "no such database: app"};
    CHECK(error_of(control, query) == "no such database: app");
    CHECK(control.calls.size() == 1);
  }
}

TEST_CASE(
    "a failed RELOAD is F0000 with a fixed text, a failed SET a fixed text; causes in DETAIL") {
  FakeControl control;
  control.result = base::Error{"config", "howdah.ini:3: unknown key"};
  CHECK(error_of(control, "RELOAD", Rights::Admin, "F0000") ==
        "RELOAD failed, see logs for additional details");
  CHECK(run(control, "RELOAD").error->detail == "howdah.ini:3: unknown key");
  CHECK(error_of(control, "SET nonsense = 1") == "SET failed");
  CHECK(run(control, "SET nonsense = 1").error->detail == "howdah.ini:3: unknown key");

  control.result = base::Error{"F0000", "RELOAD failed, see logs for additional details"};
  CHECK(run(control, "RELOAD").error->detail.empty());
}

TEST_CASE("nothing can be done to the console's own database, under either name") {
  struct Case {
    const char *command, *text;
  };
  for (Case c : {Case{"PAUSE", "cannot pause admin db: "},
                 {"RESUME", "cannot resume admin db: "},
                 {"DISABLE", "cannot disable admin db: "},
                 {"ENABLE", "cannot enable admin db: "},
                 {"RECONNECT", "cannot reconnect admin db: "},
                 {"KILL", "cannot kill admin db: "},
                 {"SWITCHOVER", "cannot switch admin db: "},
                 {"WAIT_CLOSE", "cannot wait in admin db: "}}) {
    for (const char* name : {"pgbouncer", "howdah"}) {
      FakeControl control;
      CHECK(error_of(control, base::cat(c.command, " ", name)) == base::cat(c.text, name));
      CHECK(control.calls.empty());
    }
  }
}

TEST_CASE("DISABLE and ENABLE need a database") {
  FakeControl control;
  CHECK(error_of(control, "DISABLE") == "a database is required");
  CHECK(error_of(control, "ENABLE;") == "a database is required");
  CHECK(control.calls.empty());
}

TEST_CASE("KILL_CLIENT takes a whole decimal number only") {
  FakeControl control;
  for (const char* query :
       {"KILL_CLIENT", "KILL_CLIENT x", "KILL_CLIENT 0x12", "KILL_CLIENT 12a", "KILL_CLIENT \"-1\"",
        "KILL_CLIENT \" 1\"", "KILL_CLIENT 18446744073709551616"}) {
    CAPTURE(query);
    CHECK(error_of(control, query) == "invalid client pointer supplied");
  }
  CHECK(control.calls.empty());
}

TEST_CASE("KILL_CLIENT asks the workers first, and kills only a client they know") {
  FakeControl control;
  control.state.workers.resize(2);
  control.state.workers[0].clients.resize(1);
  control.state.workers[1].clients.resize(2);
  control.state.workers[1].clients[1].id = UINT64_MAX;
  CHECK(error_of(control, "KILL_CLIENT 7") == "client not found");
  CHECK(control.calls == Calls{"gather rows"});
  control.calls.clear();
  CHECK(run(control, "KILL_CLIENT 18446744073709551615").tag == "KILL_CLIENT");
  CHECK(control.calls == Calls{"gather rows", "kill_client 18446744073709551615"});
}

TEST_CASE("an immediate SHUTDOWN that works has no answer") {
  FakeControl control;
  Answers answers;
  admin::run_command("SHUTDOWN;", Rights::Admin, control, answers.receiver());
  CHECK(control.calls == Calls{"shutdown now"});
  CHECK(answers.bytes.empty());
}

TEST_CASE("SUSPEND says that it is not available") {
  FakeControl control;
  CHECK(error_of(control, "SUSPEND") == "SUSPEND is not available in this version");
  CHECK(control.calls.empty());
}

TEST_CASE("what is not a command is echoed in the error, and nothing is done") {
  FakeControl control;
  for (std::string query :
       {"nonsense", "SHOW", "SELECT", "SHOW nonsense", "SELECT 1 + 1", "RELOAD now", "SUSPEND x",
        "SHUTDOWN now", "SET", "SET pool_mode", "SET a b", "SHOW POOLS; RELOAD", "PAUSE \"x",
        "-- PAUSE", "SHOWPOOLS", "PAUSE a b", "BEGIN; COMMIT"}) {
    CAPTURE(query);
    CHECK(error_of(control, query) == "invalid command '" + query + "', use SHOW HELP;");
  }
  CHECK(control.calls.empty());
}

TEST_CASE("parts that are too long are bad arguments") {
  FakeControl control;
  CHECK(error_of(control, std::string(16, 'x')) == "bad arguments");
  CHECK(error_of(control, "PAUSE " + std::string(64, 'x')) == "bad arguments");
  CHECK(error_of(control, "SET a = '" + std::string(256, 'x') + "'") == "bad arguments");
  CHECK(error_of(control, "PAUSE \"\"") == "bad arguments");
  CHECK(control.calls.empty());
}

TEST_CASE("the echo of a long query is cut, never inside a character") {
  FakeControl control;
  std::string huge(1 << 20, '\'');
  std::string text = error_of(control, huge);
  CHECK(text == "invalid command '" + std::string(200, '\'') + "...', use SHOW HELP;");

  std::string umlauts = "x";
  while (umlauts.size() < 300) umlauts += "\xc3\xa4";
  text = error_of(control, umlauts);
  CHECK(text == "invalid command '" + umlauts.substr(0, 199) + "...', use SHOW HELP;");
  std::string whole = "?" + std::string(199, 'x');
  CHECK(error_of(control, whole) == "invalid command '" + whole + "', use SHOW HELP;");
  // Nothing but continuation bytes: cut somewhere, but cut.
  CHECK(error_of(control, std::string(500, '\x80')).size() < 250);
}

TEST_CASE("a NUL in a query cannot end the error text early") {
  FakeControl control;
  CHECK(error_of(control, std::string_view("show\0pools", 10)) ==
        "invalid command 'show?pools', use SHOW HELP;");
}

TEST_CASE("an empty query is answered as empty, without rights") {
  FakeControl control;
  for (const char* query : {"", " ", ";", "\n;\n"}) {
    auto answer = run(control, query, Rights::Stats);
    CHECK(answer.empty_query);
    CHECK(answer.tag.empty());
  }
}

TEST_CASE("drivers may SET and SHOW their five settings with any rights; nothing changes") {
  struct Case {
    const char *name, *value;
  };
  for (Case c : {Case{"client_encoding", "UTF-8"},
                 {"default_transaction_isolation", "read committed"},
                 {"standard_conforming_strings", "on"},
                 {"datestyle", "ISO"},
                 {"timezone", "GMT"}}) {
    for (Rights rights : {Rights::Stats, Rights::Admin}) {
      FakeControl control;
      auto set = run(control, base::cat("SET ", c.name, " TO 'x'"), rights);
      CHECK(set.tag == "SET");
      REQUIRE(set.notice);
      CHECK(set.notice->severity == "NOTICE");
      CHECK(set.notice->message == "SET ignored");
      auto shown = run(control, base::cat("SHOW ", c.name), rights);
      CHECK(shown.tag == "SHOW");
      CHECK(shown.column_names() == std::vector<std::string>{c.name});
      REQUIRE(shown.rows.size() == 1);
      CHECK(shown.rows[0][0] == c.value);
      CHECK(control.calls.empty());
    }
  }
  FakeControl control;
  CHECK(run(control, "SHOW DateStyle").rows.size() == 1);
  CHECK(run(control, "set DATESTYLE = iso").tag == "SET");
}

TEST_CASE("SELECT x is SHOW x") {
  FakeControl control;
  Answers show, select;
  admin::run_command("SHOW version", Rights::Stats, control, show.receiver());
  admin::run_command("select \"VERSION\";", Rights::Stats, control, select.receiver());
  CHECK(show.bytes == select.bytes);
  CHECK(control.calls == Calls{"gather", "gather"});
}

TEST_CASE("a waiting command is answered when it is done, once") {
  for (const char* query : {"PAUSE", "PAUSE app", "WAIT_CLOSE", "WAIT_CLOSE app"}) {
    FakeControl control;
    control.hold = true;
    Answers answers;
    admin::run_command(query, Rights::Admin, control, answers.receiver());
    CHECK(answers.bytes.empty());
    REQUIRE(control.held_done);
    control.held_done();
    control.held_done();
    REQUIRE(answers.bytes.size() == 1);
    auto answer = test::read_answer(answers.bytes[0]);
    CHECK(answer.valid);
    CHECK(std::string_view(query).substr(0, answer.tag.size()) == answer.tag);
  }
}

TEST_CASE("SHOW is answered when the workers have, even after the query text is gone") {
  FakeControl control;
  control.hold = true;
  Answers answers;
  {
    auto query = std::make_unique<std::string>("SHOW STATE");
    admin::run_command(*query, Rights::Stats, control, answers.receiver());
  }
  CHECK(answers.bytes.empty());
  control.state.paused = true;
  control.held_gather(control.state);
  REQUIRE(answers.bytes.size() == 1);
  CHECK(test::read_answer(answers.bytes[0]).cell(1, "value") == "yes");
}

TEST_CASE("a State without config is an error, not a crash") {
  FakeControl control;
  control.state.config = nullptr;
  for (const char* query : {"SHOW POOLS", "SHOW DATABASES", "SHOW USERS", "SHOW CONFIG"}) {
    CHECK(error_of(control, query) == "no configuration is loaded");
  }
}

}  // namespace
