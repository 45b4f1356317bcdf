// The server's side of SCRAM texts.
#include "auth/attributes.h"
#include "auth/scram.h"
#include "howdah/base/text.h"
#include "howdah/wire/error.h"

namespace howdah::auth {
namespace {

base::Error malformed(std::string_view what) {
  return {std::string(wire::sqlstate::kProtocolViolation),
          base::cat("malformed SCRAM message: ", what)};
}

bool is_text(std::string_view message) {
  return message.size() <= kMaxScramText && message.find('\0') == std::string_view::npos;
}

}  // namespace

std::string make_nonce() {
  char bytes[18];
  base::random_bytes(bytes, sizeof bytes);
  return base64_encode({bytes, sizeof bytes});
}

DerivedKeys derive_keys(const Key& salted_password) {
  DerivedKeys out;
  out.client = hmac_sha256(bytes_of(salted_password), "Client Key");
  out.stored = sha256(out.client.view());
  out.server = hmac_sha256(bytes_of(salted_password), "Server Key");
  return out;
}

ScramServer::ScramServer(std::string salt, std::uint32_t iterations, std::string nonce,
                         std::string_view end_point)
    : salt_(std::move(salt)),
      iterations_(iterations),
      nonce_(std::move(nonce)),
      end_point_(end_point) {}

base::Result<std::string> ScramServer::first(std::string_view client_first, bool plus) {
  if (!is_text(client_first)) return malformed("too long, or a zero byte inside");
  std::string_view flag = client_first.substr(0, client_first.find(','));
  if (plus) {
    if (end_point_.empty()) return malformed("channel binding was not offered");
    if (flag != kBindingHeader.substr(0, kBindingHeader.find(','))) {
      return malformed("SCRAM-SHA-256-PLUS without tls-server-end-point channel binding");
    }
    binding_ = base64_encode(base::cat(kBindingHeader, end_point_));
  } else if (flag.starts_with("p=")) {
    return malformed("the client requires channel binding, which its mechanism does not have");
  } else if (flag == "n") {
    binding_ = "biws";
  } else if (flag == "y") {
    // It can bind and believes that we cannot: somebody in between took our offer away.
    if (!end_point_.empty()) return malformed("the client did not see our channel binding offer");
    binding_ = "eSws";
  } else {
    return malformed("unknown channel binding flag");
  }
  if (flag.size() == client_first.size()) return malformed("bad GS2 header");
  client_first.remove_prefix(flag.size() + 1);
  if (client_first.starts_with("a="))
    return malformed("authorization identities are not supported");
  if (!client_first.starts_with(",")) return malformed("bad GS2 header");
  client_first.remove_prefix(1);

  Attributes attributes(client_first);
  std::string_view user, client_nonce;
  if (client_first.starts_with("m=")) return malformed("mandatory extensions are not supported");
  // The user is the one of the start-up packet; this one is not looked at.
  if (!attributes.take('n', user)) return malformed("no user name");
  if (!attributes.take('r', client_nonce)) return malformed("no nonce");
  if (!is_nonce(client_nonce)) return malformed("bad nonce");
  if (!attributes.skip_extensions(0)) return malformed("bad extension");

  nonce_.insert(0, client_nonce);
  std::string server_first =
      base::cat("r=", nonce_, ",s=", base64_encode(salt_), ",i=", iterations_);
  auth_message_ = base::cat(client_first, ',', server_first, ',');
  return server_first;
}

base::Result<std::string> ScramServer::last(std::string_view client_final, const Key& stored_key,
                                            const Key& server_key) {
  if (!is_text(client_final)) return malformed("too long, or a zero byte inside");
  Attributes attributes(client_final);
  std::string_view binding, nonce, proof_text;
  if (!attributes.take('c', binding)) return malformed("no channel binding attribute");
  if (!base::equal_constant_time(binding, binding_)) {
    return malformed("channel binding attribute does not match its flag or this connection");
  }
  if (!attributes.take('r', nonce)) return malformed("no nonce");
  if (!base::equal_constant_time(nonce, nonce_)) return malformed("the nonce is not ours");
  if (!attributes.skip_extensions('p')) return malformed("no proof");
  // One byte before the proof is its comma.
  std::string_view unsigned_part =
      client_final.substr(0, client_final.size() - attributes.rest().size() - 1);
  if (!attributes.take('p', proof_text) || !attributes.ended()) return malformed("bad proof");
  auto proof = base64_decode(proof_text);
  if (!proof || proof->size() != client_key_.value.size()) return malformed("bad proof");

  auth_message_ += unsigned_part;
  WipedKey key = hmac_sha256(bytes_of(stored_key), auth_message_);
  for (std::size_t i = 0; i < key.value.size(); ++i) {
    key.value[i] ^= static_cast<std::uint8_t>((*proof)[i]);
  }
  WipedKey hashed = sha256(key.view());
  WipedKey signature = hmac_sha256(bytes_of(server_key), auth_message_);
  if (!base::equal_constant_time(hashed.view(), bytes_of(stored_key))) {
    return base::Error{std::string(wire::sqlstate::kInvalidPassword), "wrong password"};
  }
  client_key_ = key;
  return base::cat("v=", base64_encode(signature.view()));
}

}  // namespace howdah::auth
