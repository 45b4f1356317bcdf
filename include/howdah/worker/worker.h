// A worker: a thread with its loop, its mailbox, its clients and its servers. It is where the sans-IO
// core meets I/O; it sees the world through net::Reactor only, so the simulation can run it.
//
// Thread: everything but mailbox().post(), deal() and client_count() belongs to the loop's.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "howdah/auth/access.h"
#include "howdah/config/config.h"
#include "howdah/net/mailbox.h"
#include "howdah/net/transport.h"
#include "howdah/worker/messages.h"
#include "howdah/worker/shared.h"

namespace howdah::worker {

class Worker {
 public:
  virtual ~Worker() = default;
  virtual net::Mailbox<Message>& mailbox() = 0;
  // Client connections it holds, for dealing out new ones and for knowing when all have gone.
  virtual std::size_t client_count() const = 0;
  // Any thread: counts the client and posts it.
  virtual void deal(NewClient client) = 0;
  // Called on its own thread when a Quit has been carried out: everything is closed.
  virtual void on_quit(std::function<void()> done) = 0;

  // `access`: null when auth_type needs no rules. `ticks`: this worker calls Ledger::tick() (exactly one must).
  static std::unique_ptr<Worker> make(pool::WorkerId id, net::Reactor& reactor, Shared& shared,
                                      std::shared_ptr<const config::Config> config, bool ticks,
                                      std::shared_ptr<const auth::Access> access = nullptr);
};

}  // namespace howdah::worker
