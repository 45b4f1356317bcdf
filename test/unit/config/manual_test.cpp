// The manual and the samples say what the code does: man/howdah.ini.5, etc/.
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "config/entries.h"
#include "config/keys.h"
#include "unit/config/files.h"

using namespace howdah::config;

namespace {

// The source tree, from this file's own path test/unit/config/.
std::string tree() {
  std::string path = __FILE__;
  for (int up = 0; up < 4; ++up) path.resize(path.rfind('/'));
  return path;
}

std::string file_text(const std::string& name) {
  std::ifstream file(tree() + "/" + name);
  REQUIRE_MESSAGE(file.good(), name);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The `.It Ic a , b` items of one section with the text below them, one entry a key.
std::map<std::string, std::string> items(const std::string& section) {
  std::map<std::string, std::string> found;
  std::istringstream lines(file_text("man/howdah.ini.5"));
  std::vector<std::string> names;
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(".Sh ")) inside = line == ".Sh " + section;
    if (!inside) continue;
    if (line.starts_with(".El")) names.clear();
    if (line.starts_with(".It Ic ")) {
      names.clear();
      for (auto name : howdah::base::split(std::string_view(line).substr(7), ','))
        names.emplace_back(name);
      for (const auto& name : names) {
        CHECK_MESSAGE(!found.count(name), name);
        found[name];
      }
    } else {
      for (const auto& name : names) found[name] += line + "\n";
    }
  }
  return found;
}

std::set<std::string> names(const std::map<std::string, std::string>& items) {
  std::set<std::string> set;
  for (const auto& [name, text] : items) set.insert(name);
  return set;
}

std::set<std::string> names(const std::vector<std::string_view>& list) {
  return {list.begin(), list.end()};
}

}  // namespace

TEST_CASE("every key is in the manual, and every key of the manual is one") {
  CHECK(names(items("SETTINGS")) == names(key_names()));
  CHECK(names(items("DATABASES")) == names(database_keys()));
  CHECK(names(items("USERS")) == names(user_keys()));
  CHECK(names(items("PEERS")) == names(peer_keys()));
}

TEST_CASE("the manual's defaults and restarts are those of the table") {
  auto manual = items("SETTINGS");
  for (const auto& key : keys()) {
    INFO(key.name);
    std::string text = manual[std::string(key.name)];
    std::string first = text.substr(0, text.find('\n'));
    std::string fallback = !key.fallback    ? "unset"
                           : !*key.fallback ? "empty"
                                            : std::string(key.fallback);
    if (key.name == "auth_query") fallback = "see below";
    auto expected = "; default " + fallback + (key.changeable ? "." : "; restart.");
    CHECK(first.substr(first.find(';')) == expected);
  }
}

TEST_CASE("the manual's types are those of the table") {
  const std::map<Type, std::set<std::string>> words = {
      {Type::Bool, {"Bool"}},
      {Type::Int, {"Int"}},
      {Type::Size, {"Size"}},
      {Type::Seconds, {"Time"}},
      {Type::Millis, {"Time"}},
      {Type::Time, {"Time"}},
      {Type::List, {"List"}},
      {Type::Enum, {"Enum"}},
      {Type::Protocols, {"List"}},
      {Type::File, {"Path"}},
      {Type::Secret, {"Text"}},
      {Type::Text, {"Text", "Name", "Path", "SQL"}}};
  auto manual = items("SETTINGS");
  for (const auto& key : keys()) {
    std::string text = manual[std::string(key.name)];
    CHECK_MESSAGE(words.at(key.type).count(text.substr(0, text.find(';'))) == 1, key.name);
  }
}

TEST_CASE("the manual says of each key whether it works, and which words are refused") {
  auto manual = items("SETTINGS");
  for (const auto& key : keys()) {
    INFO(key.name);
    std::string text = manual[std::string(key.name)];
    CHECK(has(text, "Not working yet.\n") == (key.more.works == Works::NotYet));
    CHECK(has(text, "No effect in howdah.\n") == (key.more.works == Works::NoEffect));
    CHECK(has(text, "Refused in this version: ") == !key.more.refused.empty());
    for (auto word : howdah::base::split(key.more.refused, ','))
      CHECK(has(text, std::string(word)));
    for (auto word : howdah::base::split(key.more.words, ',')) {
      if (!word.starts_with("local")) CHECK_MESSAGE(has(text, std::string(word)), word);
    }
  }
}

TEST_CASE("the samples load without a warning, also with every example in use") {
  auto main = file_text("etc/howdah.ini");
  Files files{{"/etc/howdah/userlist.txt", file_text("etc/userlist.txt")},
              {"/etc/howdah/more.ini", ""}};
  CHECK(good(main, files)->warnings.empty());
  // An example is a comment without a blank behind its ;
  auto switch_on = [](const std::string& text) {
    std::string out;
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      bool example = line.size() > 1 && line[0] == ';' && line[1] != ' ';
      out += (example ? line.substr(1) : line) + "\n";
    }
    return out;
  };
  files["/etc/howdah/userlist.txt"] = switch_on(files["/etc/howdah/userlist.txt"]);
  auto config = good(switch_on(main), files);
  CHECK(config->warnings.empty());
  CHECK(config->userlist.size() == 2);
  CHECK(config->databases.size() == 2);
  CHECK(config->wildcard != nullptr);
  CHECK(config->users.size() == 1);
}

TEST_CASE("the defaults that the sample shows in comments are the real ones") {
  auto main = file_text("etc/howdah.ini");
  auto config = good("[howdah]");
  for (auto key : {"min_pool_size", "reserve_pool_size", "max_db_connections", "query_wait_timeout",
                   "query_timeout", "idle_transaction_timeout", "client_idle_timeout",
                   "stats_period", "worker_threads", "cancel_on_disconnect", "log_connections", "log_disconnections"}) {
    auto line = "\n;" + std::string(key) + " = " + *config->find_row(key)->value + "\n";
    CHECK_MESSAGE(has(main, line), key);
  }
}

TEST_CASE("the manual's example configuration loads") {
  auto text = file_text("man/howdah.ini.5");
  auto start = text.find("[howdah]\nlisten_addr");
  REQUIRE(start != std::string::npos);
  auto config =
      good(text.substr(start, text.find(".Ed", start) - start), {{"/etc/howdah/userlist.txt", ""}});
  CHECK(config->warnings.empty());
  CHECK(config->databases.count("orders") == 1);
}
