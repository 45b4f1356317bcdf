#include <map>
#include <utility>

#include "admin/answer.h"
#include "admin/shows.h"
#include "howdah/admin/routes.h"

namespace howdah::admin {
namespace {

constexpr wire::Column kRoutes[] = {
    {"database", kText}, {"reason", kText}, {"primary", kBig}, {"replica", kBig}};
constexpr wire::Column kRoute[] = {
    {"database", kText}, {"class", kText}, {"reason", kText}, {"subject", kText}, {"hint", kText}};

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

void skip_blanks(std::string_view& text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
}

bool take_word(std::string_view& text, std::string_view word) {
  skip_blanks(text);
  if (!base::iequal(text.substr(0, word.size()), word)) return false;
  text.remove_prefix(word.size());
  return true;
}

}  // namespace

namespace {
void write_rows(const std::vector<RouteCount>& counts, base::Buffer& answer) {
  std::map<std::pair<std::string, route::Reason>, std::pair<std::uint64_t, std::uint64_t>> sums;
  for (const RouteCount& count : counts) {
    auto& sum = sums[{count.database, count.reason}];
    sum.first += count.to_primary;
    sum.second += count.to_replica;
  }
  for (const auto& [key, sum] : sums) {
    if (sum.first == 0 && sum.second == 0) continue;
    Row(answer, std::size(kRoutes))
        .text(key.first)
        .text(route::to_string(key.second))
        .number(sum.first)
        .number(sum.second);
  }
}

void route_rows(const State& state, base::Buffer& to) {
  std::vector<RouteCount> counts;
  for (const WorkerReport& worker : state.workers)
    for (const auto& [id, pool] : worker.pools)
      counts.insert(counts.end(), pool.routes.begin(), pool.routes.end());
  write_rows(counts, to);
}

constexpr Show kShows[] = {{"ROUTES", Rights::Stats, ShowKind::Rows, kRoutes, route_rows}};
}  // namespace

std::span<const Show> route_shows() { return kShows; }

base::Buffer routes_answer(const std::vector<RouteCount>& counts) {
  base::Buffer answer;
  wire::append_row_description(answer, kRoutes, std::size(kRoutes));
  write_rows(counts, answer);
  finish(answer, "SHOW");
  return answer;
}

std::vector<RouteOf> routes_of(const State& state) {
  std::map<std::string, route::Explanation> by_entry;  // of a worker whose catalogue knows more
  for (const WorkerReport& worker : state.workers)
    for (const auto& [id, pool] : worker.pools) {
      if (!pool.explained) continue;
      auto [at, first] = by_entry.emplace(pool.database, *pool.explained);
      if (!first && at->second.reason == route::Reason::Unknown) at->second = *pool.explained;
    }
  std::vector<RouteOf> routes;
  for (const auto& [name, why] : by_entry) routes.push_back({name, why});
  return routes;
}

std::optional<std::string> routed_text(std::string_view command) {
  if (!take_word(command, "show") || command.empty() || !is_blank(command.front()) ||
      !take_word(command, "route")) {
    return std::nullopt;
  }
  skip_blanks(command);
  if (command.empty() || command.front() != '\'') return std::nullopt;
  command.remove_prefix(1);
  std::string text;
  for (;;) {
    std::size_t quote = command.find('\'');
    if (quote == command.npos) return std::nullopt;
    text += command.substr(0, quote);
    command.remove_prefix(quote + 1);
    if (command.empty() || command.front() != '\'') break;
    text += '\'';
    command.remove_prefix(1);
  }
  skip_blanks(command);
  if (!command.empty() && command.front() == ';') command.remove_prefix(1);
  skip_blanks(command);
  if (!command.empty()) return std::nullopt;
  return text;
}

base::Buffer route_answer(const std::vector<RouteOf>& routes) {
  base::Buffer answer;
  wire::append_row_description(answer, kRoute, std::size(kRoute));
  for (const RouteOf& of : routes) {
    Row row(answer, std::size(kRoute));
    row.text(of.database).text(route::to_string(of.why.cls)).text(route::to_string(of.why.reason));
    if (of.why.subject.empty()) {
      row.null();
    } else {
      row.text(of.why.subject);
    }
    switch (of.why.hint) {
      case route::Wish::Auto:
        row.null();
        break;
      case route::Wish::Primary:
        row.text("primary");
        break;
      case route::Wish::Replica:
        row.text("replica");
        break;
    }
  }
  finish(answer, "SHOW");
  return answer;
}

}  // namespace howdah::admin
