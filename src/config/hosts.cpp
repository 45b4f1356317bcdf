// Parses host lists (see hosts.h).
#include "config/hosts.h"

#include <arpa/inet.h>

#include "config/problems.h"
#include "config/value.h"
#include "howdah/base/text.h"

namespace howdah::config {
namespace {

using base::cat;

constexpr std::size_t kMaxSocketPath = 107;
constexpr std::size_t kMaxHostName = 255;

base::Error wrong(std::string text) { return {"config", std::move(text)}; }

bool is_ipv6(std::string_view text) {
  in6_addr address;
  return inet_pton(AF_INET6, std::string(text.substr(0, text.find('%'))).c_str(), &address) == 1;
}

base::Result<std::string> parse_name(std::string_view text) {
  if (text.empty())
    return wrong("host= has an empty place in its list; write host names with single commas");
  // Directories first: their names may have colons (/cloudsql/project:region:instance).
  if (text[0] == '/' || text[0] == '@') return std::string(text);
  if (text.size() > kMaxHostName) return wrong(cat("the host name ", shown(text), " is too long"));
  if (text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  if (text.find(':') != std::string_view::npos && !is_ipv6(text))
    return wrong(cat("the host ", shown(text),
                     " has a colon but is no IPv6 address; give the port with port="));
  for (char c : text) {
    if (static_cast<unsigned char>(c) <= ' ' || c == '[' || c == ']' || c == '/')
      return wrong(cat("the host ", shown(text), " is no host name, address or /directory"));
  }
  if (text.empty()) return wrong("host= has an empty address");
  return std::string(text);
}

}  // namespace

base::Result<std::uint16_t> parse_port(std::string_view text) {
  auto number = read_int(text);
  if (!number || *number < 1 || *number > 65535)
    return wrong(cat("the port ", shown(text), " must be a number from 1 to 65535"));
  return static_cast<std::uint16_t>(*number);
}

std::string socket_path_problem(std::string_view dir, int port) {
  if (cat(dir, "/.s.PGSQL.", port).size() <= kMaxSocketPath) return {};
  return cat("the socket path ", shown(dir), " is too long; with /.s.PGSQL.", port,
             " it must not exceed ", kMaxSocketPath, " bytes");
}

base::Result<std::vector<Host>> parse_hosts(std::string_view hosts, std::string_view ports) {
  std::vector<std::uint16_t> numbers;
  for (auto piece : base::split(ports, ',')) {
    auto port = parse_port(piece);
    if (!port) return port.error();
    numbers.push_back(*port);
  }
  if (numbers.empty()) numbers.push_back(Host{}.port);
  std::vector<Host> list;
  auto pieces = base::split(hosts, ',');
  if (numbers.size() != 1 && numbers.size() != pieces.size())
    return wrong(cat("port= has ", numbers.size(), " ports for ", pieces.size(),
                     " hosts; write one port for all or one for each"));
  for (auto piece : pieces) {
    auto name = parse_name(piece);
    if (!name) return name.error();
    std::uint16_t port = numbers.size() == 1 ? numbers[0] : numbers[list.size()];
    if ((*name)[0] == '/' || (*name)[0] == '@') {
      auto problem = socket_path_problem(*name, port);
      if (!problem.empty()) return wrong(std::move(problem));
    }
    list.push_back({std::move(*name), port});
  }
  return list;
}

}  // namespace howdah::config
