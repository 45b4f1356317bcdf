// Lets a ServerExchange and a ClientExchange talk to each other, and does their hashing.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "auth/crypto.h"
#include "howdah/auth/exchange.h"
#include "howdah/base/text.h"

namespace howdah::auth {

using Kind = StoredSecret::Kind;

inline StoredSecret missing() { return {}; }

// A SCRAM secret as PostgreSQL stores it.
inline std::string scram_secret(std::string_view password,
                                std::string_view salt = "0123456789abcdef",
                                std::uint32_t iterations = 64) {
  Key salted = HashJob{base::Secret(password), std::string(salt), iterations}.run();
  WipedKey client = hmac_sha256(bytes_of(salted), "Client Key");
  return base::cat("SCRAM-SHA-256$", iterations, ':', base64_encode(salt), '$',
                   base64_encode(sha256(client.view()).view()), ':',
                   base64_encode(hmac_sha256(bytes_of(salted), "Server Key").view()));
}
inline std::string md5_secret(std::string_view password, std::string_view user) {
  return base::cat("md5", md5_hex({password, user})->view());
}

template <typename Exchange>
Outcome with_hash(Exchange& exchange, Outcome outcome) {
  while (outcome.kind == Outcome::Kind::NeedHash)
    outcome = exchange.hashed(exchange.hash_job().run());
  return outcome;
}

// What went over the wire: authentication codes and the sizes of the bodies, in order.
struct Talk {
  bool ok = false;
  base::Error server_error, client_error;
  std::vector<std::string> shape;
};

inline Talk talk(ServerExchange& server, ClientExchange& client) {
  Talk out;
  Outcome request = with_hash(server, server.start());
  for (int step = 0; step < 10; ++step) {
    if (request.kind == Outcome::Kind::Failed) {
      out.server_error = request.error;
      out.shape.push_back("refused");
      return out;
    }
    bool proved = request.kind == Outcome::Kind::Ok;
    if (request.kind == Outcome::Kind::Reply || request.code != 0) {
      out.shape.push_back(base::cat('R', request.code, ':', request.body.size()));
      Outcome answer = with_hash(client, client.feed(request.code, request.body));
      if (answer.kind == Outcome::Kind::Failed) {
        out.client_error = answer.error;
        return out;
      }
      if (answer.kind == Outcome::Kind::Reply) {
        out.shape.push_back(base::cat("p:", answer.body.size()));
        if (!proved) {
          request = with_hash(server, server.feed(answer.body));
          continue;
        }
      }
    }
    out.ok = proved && client.finished();
    return out;
  }
  return out;
}

inline Talk log_in(Method method, const StoredSecret& stored, const ServerCredentials& credentials,
                   const ServerKeyring& keyring, std::string_view user = "bob") {
  auto server = make_server_exchange(method, user, stored, keyring, 64);
  auto client = make_client_exchange(credentials);
  return talk(*server, *client);
}

inline ServerCredentials with_password(std::string_view password, std::string_view user = "bob") {
  return {std::string(user), classify(password), std::nullopt};
}

}  // namespace howdah::auth
