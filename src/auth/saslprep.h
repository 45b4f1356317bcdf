// SASLprep (RFC 4013) of passwords, as PostgreSQL applies it. Private to auth.
#pragma once

#include <string_view>

#include "howdah/base/secret.h"

namespace howdah::auth {

// Pure ASCII is given back unchanged. Otherwise: non-ASCII spaces become spaces, characters of
// table B.1 vanish, the rest is normalised (NFKC). What is not valid UTF-8, has prohibited
// characters or ones unknown to Unicode 3.2, mixes directions, or ends up empty is given back raw.
base::Secret saslprep(std::string_view password);

}  // namespace howdah::auth
