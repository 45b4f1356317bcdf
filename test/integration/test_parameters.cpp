// Tracked parameters follow the client from server to server (compat 7.1).
#include <doctest/doctest.h>

#include "support/pooler.h"

using namespace howdah::test;

namespace {

Pooler make_pooler(std::map<std::string, std::string> more = {}, const std::string& entry_more = "") {
  primary().create_database("parameters");
  more.insert({"pool_mode", "transaction"});
  more.insert({"default_pool_size", "1"});
  return Pooler(
      {.settings = more, .databases = {entry("db", primary(), "parameters", entry_more)}});
}

}  // namespace

TEST_CASE("clients that share a server keep their own settings" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  struct Setting {
    const char *name, *one, *two;
  };
  for (const Setting& setting : std::vector<Setting>{
           {"application_name", "first app", "second app"},
           {"client_encoding", "UTF8", "LATIN1"},
           {"timezone", "UTC", "Asia/Tokyo"},
           {"datestyle", "ISO, MDY", "German, DMY"},
           {"standard_conforming_strings", "on", "off"},
           {"intervalstyle", "postgres", "iso_8601"},
       }) {
    CAPTURE(setting.name);
    Client one = pooler.connect("db"), two = pooler.connect("db");
    one.exec(std::string("set ") + setting.name + " = '" + setting.one + "'");
    two.exec(std::string("set ") + setting.name + " = '" + setting.two + "'");
    for (int i = 0; i < 3; ++i) {
      CHECK(one.value(std::string("show ") + setting.name) == setting.one);
      CHECK(two.value(std::string("show ") + setting.name) == setting.two);
    }
  }
}

TEST_CASE("values of the start-up packet and of options are in place at the first query" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  Client first = pooler.connect("db");
  first.exec("select 1");
  Client client = pooler.connect(
      "db", "postgres", "application_name=mine options='-c timezone=Asia/Tokyo -cdatestyle=German'");
  CHECK(client.parameter("TimeZone") == "Asia/Tokyo");
  CHECK(client.value("show application_name") == "mine");
  CHECK(client.value("show timezone") == "Asia/Tokyo");
  CHECK(client.value("show datestyle") == "German, DMY");
  CHECK(first.value("show timezone") == "UTC");
  CHECK(first.value("show application_name") == "");
}

TEST_CASE("a setting survives the loss of the server it was made on") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("set timezone = 'Asia/Tokyo'");
  client.exec("select 1");  // what is set has been asked for by now
  primary().drop_backends("parameters");
  eventually("the server is gone", [&] {
    return pooler.pool("db", "postgres", "sv_idle") == 0 && primary().backends("parameters") == 0;
  });
  CHECK(client.value("show timezone") == "Asia/Tokyo");
}

TEST_CASE("quotes, backslashes and long values come through" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler();
  Client disturber = pooler.connect("db");
  for (const std::string& value :
       {std::string("it's"), std::string("back\\slash"), std::string("both \\' of \\\\ them''"),
        std::string("percent % ; select 1"), std::string(60, 'n'), std::string("")}) {
    CAPTURE(value);
    RawClient client = pooler.raw("db", "postgres", {{"application_name", value}});
    disturber.exec("set application_name = 'other'");
    client.send(msg::query("select current_setting('application_name')"));
    auto messages = client.until('Z');
    std::string seen;
    for (const auto& message : messages) {
      if (message.type == 'D') seen = parse_row(message.body).at(0);
    }
    CHECK(seen == value);
  }
}

TEST_CASE("a setting made in a transaction that is rolled back is not kept") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db"), other = pooler.connect("db");
  client.exec("set timezone = 'Asia/Tokyo'");
  client.exec("begin; set timezone = 'Europe/Oslo'; rollback");
  other.exec("set timezone = 'UTC'");
  CHECK(client.value("show timezone") == "Asia/Tokyo");
}

TEST_CASE("an invalid value of the start-up packet fails requests, not the connection, when it is not "
          "tried at login" *
          doctest::skip(on_pgbouncer())) {
  Pooler pooler = make_pooler({{"session_state", "off"}});
  pooler.connect("db").exec("select 1");
  Client client = pooler.connect("db", "postgres", "options='-c timezone=Nowhere/Land'");
  for (int i = 0; i < 2; ++i) {
    ErrorReport report = client.attempt("select 1").error();
    CHECK(report.severity == "ERROR");
    CHECK(report.code == "22023");
    CHECK(report.message == "invalid value for parameter \"TimeZone\": \"Nowhere/Land\"");
  }
  CHECK(pooler.connect("db").value("show timezone") == "UTC");
  client.exec("set timezone = 'Asia/Tokyo'");
  CHECK(client.value("show timezone") == "Asia/Tokyo");
}

TEST_CASE("track_extra_parameters are tracked as well" * doctest::skip(on_pgbouncer())) {
  Pooler pooler =
      make_pooler({{"track_extra_parameters", "IntervalStyle, default_transaction_read_only"}});
  Client reader = pooler.connect("db"), writer = pooler.connect("db");
  reader.exec("set default_transaction_read_only = on");
  CHECK(writer.value("show default_transaction_read_only") == "off");
  CHECK(reader.value("show default_transaction_read_only") == "on");
  CHECK(writer.value("show default_transaction_read_only") == "off");
}

TEST_CASE("ignore_startup_parameters are accepted and dropped") {
  Pooler pooler = make_pooler({{"ignore_startup_parameters", "extra_float_digits,search_path"}});
  RawClient client =
      pooler.raw("db", "postgres", {{"extra_float_digits", "3"}, {"search_path", "nowhere"}});
  client.send(msg::query("show search_path"));
  CHECK(parse_row(client.until('Z').at(1).body).at(0) == "\"$user\", public");
}

TEST_CASE("application_name_add_host shows where the client is") {
  Pooler pooler = make_pooler({{"application_name_add_host", "1"}});
  Client client = pooler.connect("db", "postgres", "application_name=mine");
  CHECK(client.value("show application_name").starts_with("mine - 127.0.0.1:"));
  Client unnamed = pooler.connect("db");
  CHECK(unnamed.value("show application_name").starts_with("app - 127.0.0.1:"));
}

TEST_CASE("settings of the entry go into the server's start-up packet") {
  Pooler pooler = make_pooler({}, "timezone='Asia/Tokyo' datestyle='German' "
                                  "application_name='from_entry'");
  Client client = pooler.connect("db");
  CHECK(client.value("show timezone") == "Asia/Tokyo");
  CHECK(client.value("show datestyle") == "German, DMY");
  CHECK(client.parameter("TimeZone") == "Asia/Tokyo");
}

TEST_CASE("a parameter the server changes by itself reaches the linked client") {
  Pooler pooler = make_pooler();
  Client client = pooler.connect("db");
  client.exec("begin");
  client.exec("set local timezone = 'Asia/Tokyo'");
  CHECK(client.parameter("TimeZone") == "Asia/Tokyo");
  client.exec("commit");
  CHECK(client.parameter("TimeZone") == "UTC");
  primary().sql("alter system set timezone = 'Europe/Oslo'");
  primary().reload();
  eventually("the client hears of it", [&] {
    client.exec("select 1");
    return client.parameter("TimeZone") == "Europe/Oslo";
  });
  primary().sql("alter system reset timezone");
  primary().reload();
}
