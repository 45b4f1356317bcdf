// SHOW ROUTES and SHOW ROUTE 'sql': their rows from plain values, for whoever gathers them.
//
// Thread: any.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "howdah/base/buffer.h"
#include "howdah/route/classifier.h"

namespace howdah::admin {

// How often one entry sent statements to either side for one reason.
struct RouteCount {
  std::string database;  // the entry
  route::Reason reason = route::Reason::Read;
  std::uint64_t to_primary = 0, to_replica = 0;
};

// SHOW ROUTES: a row per entry and reason that has counted anything; counts of equal entry and
// reason (one a worker) are summed.
base::Buffer routes_answer(const std::vector<RouteCount>& counts);

// The text in SHOW ROUTE 'text' (quotes doubled inside), nothing if the command is not of this
// form.
std::optional<std::string> routed_text(std::string_view command);

struct RouteOf {
  std::string database;  // the entry
  route::Explanation why;
};

struct State;
// What the workers say of SHOW ROUTE's text (State::workers), by entry.
std::vector<RouteOf> routes_of(const State& state);

// SHOW ROUTE: a row per entry.
base::Buffer route_answer(const std::vector<RouteOf>& routes);

}  // namespace howdah::admin
