// Finds a SHOW by its word, and answers the settings that drivers ask for.
#include "admin/shows.h"

#include <vector>

#include "howdah/base/text.h"

namespace howdah::admin {
namespace {

constexpr Show kOthers[] = {
    {"HELP", Rights::Stats, ShowKind::Notice, {}, nullptr},
    {"FDS", Rights::Admin, ShowKind::Unavailable, {}, nullptr},
    {"MEM", Rights::Stats, ShowKind::Unavailable, {}, nullptr},
    {"DNS_HOSTS", Rights::Stats, ShowKind::Unavailable, {}, nullptr},
    {"DNS_ZONES", Rights::Stats, ShowKind::Unavailable, {}, nullptr},
};

constexpr DriverSetting kDriverSettings[] = {
    {"client_encoding", "UTF-8"},
    {"default_transaction_isolation", "read committed"},
    {"standard_conforming_strings", "on"},
    {"datestyle", "ISO"},
    {"timezone", "GMT"},
};

const Show* find_in(std::span<const Show> table, std::string_view word) {
  for (const Show& show : table) {
    if (base::iequal(show.word, word)) return &show;
  }
  return nullptr;
}

}  // namespace

std::vector<const Show*> all_shows() {
  std::vector<const Show*> all;
  for (auto table :
       {config_shows(), pool_shows(), socket_shows(), host_shows(), route_shows(),
        std::span<const Show>(kOthers)}) {
    for (const Show& show : table) all.push_back(&show);
  }
  return all;
}

const Show* find_show(std::string_view word) {
  for (auto table :
       {config_shows(), pool_shows(), socket_shows(), host_shows(), route_shows(),
        std::span<const Show>(kOthers)}) {
    if (const Show* show = find_in(table, word)) return show;
  }
  return nullptr;
}

base::Buffer show_answer(const Show& show, const State& state) {
  base::Buffer answer;
  wire::append_row_description(answer, show.columns.data(), show.columns.size());
  show.fill(state, answer);
  finish(answer, "SHOW");
  return answer;
}

const DriverSetting* find_driver_setting(std::string_view name) {
  for (const DriverSetting& setting : kDriverSettings) {
    if (base::iequal(setting.name, name)) return &setting;
  }
  return nullptr;
}

base::Buffer driver_setting_answer(const DriverSetting& setting) {
  base::Buffer answer;
  wire::Column column{setting.name, kText};
  wire::append_row_description(answer, &column, 1);
  Row(answer, 1).text(setting.value);
  finish(answer, "SHOW");
  return answer;
}

}  // namespace howdah::admin
