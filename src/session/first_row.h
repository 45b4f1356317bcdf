// Reads the first DataRow out of the answer to one of our own questions (PostgreSQL 15 manual, 55.7:
// 'D' length columns(2), then each column's length(4, -1 = NULL) and bytes).
//
//   header bytes -> [body of the first DataRow, kept] | [any other body, skipped] -> header ...
//
// Takes the stream in whatever pieces it comes; the server's framing has been checked already. The
// row may hold a secret, so what is kept is wiped. Owner: a ServerSession while it asks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "howdah/session/server_session.h"

namespace howdah::session {

class FirstRow {
 public:
  ~FirstRow() { base::wipe(body_.data(), body_.size()); }
  void take(std::string_view bytes);
  Answer answer() const;

 private:
  char header_[5] = {};
  std::size_t have_ = 0;       // bytes of the header
  std::uint32_t left_ = 0;     // bytes of the body still to come
  bool keep_ = false;          // this body is the row's
  std::size_t rows_ = 0;
  bool too_long_ = false;
  std::string body_;
};

}  // namespace howdah::session
