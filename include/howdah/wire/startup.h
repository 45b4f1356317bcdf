// The untyped packets that open a connection: StartupMessage, SSLRequest, GSSENCRequest,
// CancelRequest (PostgreSQL 15 manual, 55.2.1, 55.7).
//   length(4, counts itself) code(4) body
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "howdah/base/buffer.h"
#include "howdah/base/result.h"

namespace howdah::wire {

inline constexpr std::uint32_t kProtocol30 = 3u << 16, kProtocol32 = kProtocol30 | 2;
inline constexpr std::uint32_t kSslRequest = 80877103;
inline constexpr std::uint32_t kGssEncRequest = 80877104;
inline constexpr std::uint32_t kCancelRequest = 80877102;
inline constexpr std::size_t kMaxStartup = 65535;

struct SslRequest {};
struct GssEncRequest {};
struct CancelRequest {
  std::string key;  // process id (4) and secret (4 to 256) as sent in BackendKeyData
};
struct Startup {
  std::uint32_t version = 0;  // major << 16 | minor
  std::vector<std::pair<std::string, std::string>> parameters;  // in the order sent
  const std::string* find(std::string_view name) const;  // the last of that name, or null
};
struct NeedMore {};

using StartupPacket = std::variant<NeedMore, SslRequest, GssEncRequest, CancelRequest, Startup>;

struct StartupRead {
  StartupPacket packet;
  std::size_t consumed = 0;  // 0 with NeedMore
};

// Reads one packet at the start of `bytes`. The error's text is the one of compat section 5.5
// ("bad packet header: '<hex>'", "invalid startup packet layout: expected terminator as last byte",
// "old V2 protocol not supported", "client password pkt before startup packet"); its code is 08P01.
// Reads at most kMaxStartup bytes. Major versions other than 3 are bad headers; any 3.x is given.
base::Result<StartupRead> read_startup(std::string_view bytes);

// Towards a server: StartupMessage with protocol 3.0.
void append_startup(base::Buffer& to,
                    const std::vector<std::pair<std::string, std::string>>& parameters);

void append_ssl_request(base::Buffer& to);

// The value of `options`: `-c k=v`, `-ck=v`, `--k=v` with backslash escapes; names have `-` turned
// into `_`, as PostgreSQL does in all forms. Code 08P01, error text as compat 5.5 when anything else stands there.
base::Result<std::vector<std::pair<std::string, std::string>>> parse_options(
    std::string_view options);

}  // namespace howdah::wire
