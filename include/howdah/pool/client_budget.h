// Limits on clients over all workers: max_client_conn, max_db_client_connections,
// max_user_client_connections. A limit is a type: a client holds ClientPermits for as long as it is
// connected, and their destructors give the places back. Thread: any (one mutex).
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "howdah/base/mutex.h"

namespace howdah::pool {

class ClientBudget {
 public:
  class Place {  // one counted client in one scope; move-only
   public:
    Place() = default;
    Place(Place&& other) noexcept;
    Place& operator=(Place&& other) noexcept;
    ~Place();
    explicit operator bool() const { return budget_ != nullptr; }

   private:
    friend class ClientBudget;
    ClientBudget* budget_ = nullptr;
    std::size_t* count_ = nullptr;
  };

  // `limit` 0 = unlimited. The place is empty when the limit is reached. `force` counts without
  // asking (console logins of admins).
  Place connection(std::size_t limit, bool force = false);
  Place database(std::string_view name, std::size_t limit, bool force = false);
  Place user(std::string_view name, std::size_t limit, bool force = false);

  std::size_t connections() const;
  std::size_t connections_of_database(std::string_view name) const;
  std::size_t connections_of_user(std::string_view name) const;

 private:
  // Clients by name.
  struct Named {
    std::map<std::string, std::size_t, std::less<>> counts;
    std::size_t sweep_at = 1024;  // names; those without a client go then
    std::size_t& of(std::string_view name);
    std::size_t peek(std::string_view name) const;
  };
  Place take(std::size_t& count, std::size_t limit, bool force) REQUIRES(mutex_);
  mutable base::Mutex mutex_;
  std::size_t connections_ GUARDED_BY(mutex_) = 0;
  Named databases_ GUARDED_BY(mutex_);
  Named users_ GUARDED_BY(mutex_);
};

}  // namespace howdah::pool
