// What pg_catalog's own functions and relations are to a read. One list (unsafe.inc, safe views in
// builtins.cpp), which the integration test "routing's lists" holds against a real server.
#pragma once

#include <cstdint>
#include <string_view>

namespace howdah::route {

enum class Builtin : std::uint8_t {
  Unknown,  // no such name here: a user's, or a newer server's
  Safe,     // IMMUTABLE or STABLE, the same on every server
  Volatile,
  Local,  // tells of its server or session
};

Builtin builtin_function(std::string_view name);
// The same for x.name, which calls name(x): Safe if no unsafe one takes a single argument.
Builtin builtin_attribute(std::string_view name);
// A relation of schema pg_catalog; `kind` as pg_class.relkind.
Builtin builtin_relation(std::string_view name, char kind);

}  // namespace howdah::route
