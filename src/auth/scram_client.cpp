// The client's side of SCRAM texts. What the server sends is untrusted: every length, count and
// character is checked before it is used.
#include "auth/attributes.h"
#include "auth/scram.h"
#include "howdah/base/text.h"
#include "howdah/wire/error.h"

namespace howdah::auth {
namespace {

base::Error refused(std::string_view what) {
  return {std::string(wire::sqlstate::kProtocolViolation),
          base::cat("server login failed: ", what)};
}

// A server's text for our log: short and printable.
std::string printable(std::string_view text) {
  std::string out(text.substr(0, 64));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

bool is_text(std::string_view message) {
  return message.size() <= kMaxScramText && message.find('\0') == std::string_view::npos;
}

}  // namespace

ScramClient::ScramClient(std::string_view user, std::string nonce)
    : bare_(base::cat("n=", user, ",r=", nonce)), nonce_(std::move(nonce)) {}

void ScramClient::bind(std::string_view header, std::string_view data) {
  header_ = header;
  binding_ = data;
}

std::string ScramClient::first() const { return header_ + bare_; }

base::Status ScramClient::challenge(std::string_view server_first) {
  if (!is_text(server_first)) return refused("malformed SCRAM challenge (too long or not a text)");
  if (server_first.starts_with("m="))
    return refused("the server asks for an unknown SCRAM extension");
  Attributes attributes(server_first);
  std::string_view nonce, salt_text, iterations_text;
  if (!attributes.take('r', nonce) || !attributes.take('s', salt_text) ||
      !attributes.take('i', iterations_text) || !attributes.skip_extensions(0)) {
    return refused("malformed SCRAM challenge");
  }
  // A server that adds nothing to our nonce would let an old conversation be replayed.
  if (!is_nonce(nonce) || nonce.size() <= nonce_.size() || !nonce.starts_with(nonce_)) {
    return refused("the nonce of the SCRAM challenge is not built on ours");
  }
  auto salt = base64_decode(salt_text);
  if (!salt || salt->empty() || salt->size() > kMaxScramSalt) {
    return refused("malformed SCRAM challenge (salt)");
  }
  std::int64_t iterations = 0;
  if (iterations_text.find_first_not_of("0123456789") != std::string_view::npos ||
      !base::parse_int(iterations_text, iterations) || iterations < 1 ||
      iterations > kMaxScramIterations) {
    return refused("malformed SCRAM challenge (iteration count below 1 or above 10000000)");
  }
  nonce_ = nonce;
  salt_ = std::move(*salt);
  iterations_ = static_cast<std::uint32_t>(iterations);
  auth_message_ = base::cat(bare_, ',', server_first, ',');
  return base::Done{};
}

std::string ScramClient::last(const Key& client_key, const Key& server_key) {
  std::string message = base::cat("c=", base64_encode(header_ + binding_), ",r=", nonce_);
  auth_message_ += message;
  WipedKey stored = sha256(bytes_of(client_key));
  WipedKey proof = hmac_sha256(stored.view(), auth_message_);
  for (std::size_t i = 0; i < proof.value.size(); ++i) proof.value[i] ^= client_key[i];
  server_signature_ = hmac_sha256(bytes_of(server_key), auth_message_);
  return base::cat(message, ",p=", base64_encode(proof.view()));
}

base::Status ScramClient::verify(std::string_view server_final) const {
  if (!is_text(server_final)) return refused("malformed SCRAM answer (too long or not a text)");
  Attributes attributes(server_final);
  std::string_view text;
  if (attributes.take('e', text)) {
    return refused(base::cat("the server says '", printable(text), "'"));
  }
  if (!attributes.take('v', text) || !attributes.skip_extensions(0)) {
    return refused("malformed SCRAM answer");
  }
  auto signature = base64_decode(text);
  if (!signature || !base::equal_constant_time(*signature, server_signature_.view())) {
    return refused("invalid server signature");
  }
  return base::Done{};
}

}  // namespace howdah::auth
