// The TLS keys made into Tls (see tls.h).
#include "config/tls.h"

#include <optional>

#include "config/keys.h"
#include "config/problems.h"
#include "howdah/base/text.h"

namespace howdah::config {

using base::cat;

namespace {

struct Part {
  std::string_view name;  // without client_ or server_
  std::string Tls::*field;
};
constexpr Part kParts[] = {
    {"tls_ca_file", &Tls::ca_file},         {"tls_cert_file", &Tls::cert_file},
    {"tls_key_file", &Tls::key_file},       {"tls_ciphers", &Tls::ciphers},
    {"tls13_ciphers", &Tls::tls13_ciphers}, {"tls_protocols", &Tls::protocols},
    {"tls_dheparams", &Tls::dheparams},     {"tls_ecdhcurve", &Tls::ecdhcurve}};

TlsMode mode_of(std::string_view word) {
  for (int mode = 0; mode <= static_cast<int>(TlsMode::VerifyFull); ++mode) {
    if (name(static_cast<TlsMode>(mode)) == word) return static_cast<TlsMode>(mode);
  }
  return TlsMode::VerifyFull;  // not reached: the word was checked
}

// `key` is without client_ or server_.
void put(Tls& tls, std::string_view key, const std::string& value) {
  if (key == "tls_sslmode") tls.mode = mode_of(value);
  if (key == "tls_negotiation") {
    tls.negotiation = value == "direct" ? TlsNegotiation::Direct : TlsNegotiation::Postgres;
  }
  for (const Part& part : kParts) {
    if (part.name == key) tls.*part.field = value;
  }
}

Tls side(const Config& config, std::string_view prefix) {
  Tls tls;
  for (const auto& row : config.rows) {
    std::string_view key = row.key;
    if (key.starts_with(prefix) && row.value) put(tls, key.substr(prefix.size()), *row.value);
  }
  return tls;
}

}  // namespace

void read_tls(Config& config) {
  config.settings.client_tls = side(config, "client_");
  config.settings.server_tls = side(config, "server_");
}

std::string set_tls_key(Database& entry, std::string_view key, std::string_view value) {
  std::string text(value);
  if (key == kNegotiation) {
    text = base::lower(value);
    if (text != "postgres" && text != "direct") return "must be postgres or direct";
  } else if (const Key* global = find_key(key)) {
    Settings unused;
    SettingRow row;
    if (auto set = set_key(*global, value, unused, row); !set) {
      return cat("is not right: ", set.error().text);
    }
    text = row.value.value_or("");
  }
  entry.tls_keys.emplace_back(key, std::move(text));
  return {};
}

Tls effective_tls(const Tls& global, const Database& entry) {
  constexpr std::string_view kSide = "server_";
  Tls tls = global;
  for (const auto& [key, value] : entry.tls_keys) {
    put(tls, std::string_view(key).substr(kSide.size()), value);
  }
  return tls;
}

std::string client_tls_problem(const Tls& tls) {
  if (!tls.on() || (!tls.cert_file.empty() && !tls.key_file.empty())) return {};
  return cat("client_tls_sslmode = ", name(tls.mode),
             " needs client_tls_cert_file and client_tls_key_file");
}

std::string server_tls_problem(const Tls& tls) {
  if (tls.negotiation != TlsNegotiation::Direct || tls.required()) return {};
  return cat(
      "server_tls_negotiation=direct cannot fall back to plain text: it needs "
      "server_tls_sslmode require, verify-ca or verify-full, not ",
      name(tls.mode));
}

}  // namespace howdah::config
