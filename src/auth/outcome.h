// Makes Outcomes. Private to auth.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "howdah/auth/exchange.h"
#include "howdah/wire/error.h"

namespace howdah::auth {

inline Outcome reply(std::int32_t code, std::string body) {
  return {Outcome::Kind::Reply, code, std::move(body), {}};
}
inline Outcome need_hash() { return {Outcome::Kind::NeedHash, 0, {}, {}}; }
inline Outcome proved(std::int32_t code = 0, std::string body = {}) {
  return {Outcome::Kind::Ok, code, std::move(body), {}};
}
inline Outcome failed(std::string_view sqlstate, std::string text) {
  return {Outcome::Kind::Failed, 0, {}, {std::string(sqlstate), std::move(text)}};
}
inline Outcome failed(base::Error error) {
  return {Outcome::Kind::Failed, 0, {}, std::move(error)};
}

}  // namespace howdah::auth
