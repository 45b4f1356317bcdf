// What the monitor last learned of one host, for workers to read without a lock before they send it
// a read: how fresh its data is, and which server that was said of. Rules: ../shared/design/
// routing.md, section 4.
//
//   Fleet (the monitor's thread) --write()--> HostSigns --read()--> any thread
//
// The fields belong together: a sequence number, odd while they are being written, makes a reader
// take them all of one moment. In doubt a reader gets "nothing is known".
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "howdah/base/time.h"

namespace howdah::route {

// One server behind an address: where it listens and when it was started, hashed. 0 = not known.
// Monitor and pooled connections ask in the same words (kIdentityQuestion), so they compare.
using Identity = std::uint64_t;
Identity identity_of(std::string_view text);  // 0 only for an empty text

// A standby's data holds all that `primary` acknowledged before `replayed_as_of`, strictly.
struct Signs {
  base::TimePoint replayed_as_of{};  // zero: not known, or not to be trusted now
  Identity identity = 0;             // of the server that was asked; 0: unknown
  Identity primary = 0;              // of the one whose stamps these are; on that one itself its own
  bool balanced = false;             // this address leads to several servers
  bool leads = false;                // this is the primary, and the only one
  bool operator==(const Signs&) const = default;

  // A connection to the server `which` is one to the server that was asked.
  bool measured(Identity which) const { return which != 0 && which == identity && !balanced; }
  // A connection to the standby `which` shows what the server `writer` acknowledged at `written`
  // (the clock, read after the answer had come). Stamps of another primary say nothing of it: an
  // address may have moved while the monitor was still with the old one.
  bool shows(base::TimePoint written, Identity writer, Identity which) const {
    return measured(which) && writer != 0 && writer == primary && replayed_as_of > written;
  }
};

class HostSigns {
 public:
  // One writer: the monitor's thread.
  void write(const Signs& signs) {
    if (signs == written_) return;
    written_ = signs;
    auto sequence = sequence_.load(std::memory_order_relaxed);
    sequence_.store(sequence + 1, std::memory_order_relaxed);
    // Release: who sees any of these sees the odd number, too.
    replayed_as_of_.store(signs.replayed_as_of.time_since_epoch().count(), std::memory_order_release);
    identity_.store(signs.identity, std::memory_order_release);
    primary_.store(signs.primary, std::memory_order_release);
    flags_.store((signs.balanced ? 1u : 0u) | (signs.leads ? 2u : 0u), std::memory_order_release);
    sequence_.store(sequence + 2, std::memory_order_release);
  }
  Signs read() const {
    for (int tries = 0; tries < 4; ++tries) {
      auto sequence = sequence_.load(std::memory_order_acquire);
      Signs signs;
      signs.replayed_as_of =
          base::TimePoint(base::Duration(replayed_as_of_.load(std::memory_order_acquire)));
      signs.identity = identity_.load(std::memory_order_acquire);
      signs.primary = primary_.load(std::memory_order_acquire);
      unsigned flags = flags_.load(std::memory_order_acquire);
      signs.balanced = (flags & 1u) != 0;
      signs.leads = (flags & 2u) != 0;
      if (sequence % 2 == 0 && sequence_.load(std::memory_order_relaxed) == sequence) return signs;
    }
    return {};
  }

  // Somebody waits for this host, or its primary, to be sampled again soon. True: say it to the
  // monitor, which may be asleep; false: it was told just now.
  bool want(base::TimePoint now) {
    auto at = now.time_since_epoch().count();
    auto before = wanted_.load(std::memory_order_relaxed);
    if (at - before < kToldLasts.count()) return false;
    return wanted_.compare_exchange_strong(before, at, std::memory_order_relaxed);
  }
  bool wanted(base::TimePoint now) const {
    return now.time_since_epoch().count() - wanted_.load(std::memory_order_relaxed) <
           kWantLasts.count();
  }

 private:
  static constexpr base::Duration kToldLasts{50'000}, kWantLasts{250'000};
  Signs written_;  // the writer's own
  std::atomic<std::uint32_t> sequence_{0};
  std::atomic<std::int64_t> replayed_as_of_{0};
  std::atomic<Identity> identity_{0}, primary_{0};
  std::atomic<unsigned> flags_{0};
  std::atomic<std::int64_t> wanted_{INT64_MIN / 2};
};

// An expression, for everybody. A whole number for the time: how others are printed is up to settings.
#define HOWDAH_IDENTITY                                                               \
  "pg_catalog.concat_ws('/', pg_catalog.inet_server_addr(), "                         \
  "pg_catalog.inet_server_port(), (pg_catalog.date_part('epoch', "                    \
  "pg_catalog.pg_postmaster_start_time()) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8)"
inline constexpr const char* kIdentityQuestion = "SELECT " HOWDAH_IDENTITY;

}  // namespace howdah::route
