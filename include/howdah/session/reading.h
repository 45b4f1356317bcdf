// What the meaning of a text depends on, besides itself, when PostgreSQL parses it: constants are
// converted there and then, by the client's encoding, DateStyle, TimeZone ..., and names are looked
// up by search_path. Statements of one text are shared only between clients for whom it means the
// same. Views; thread: the client's.
#pragma once

#include <string>

#include "howdah/session/parameters.h"
#include "howdah/session/session_state.h"

namespace howdah::session {

struct Reading {
  const Parameters* parameters = nullptr;  // null: nothing is known of them
  const SessionState* state = nullptr;     // null: nothing is set
  std::string key() const;
};

}  // namespace howdah::session
