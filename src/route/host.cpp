// The health machine of a host; see the header.
#include "howdah/route/host.h"

#include <algorithm>
#include <utility>

#include "howdah/base/text.h"

namespace howdah::route {

namespace {
using namespace std::chrono_literals;
constexpr Duration kSuspectEvery = 250ms, kHeldEvery = 100ms, kEjectedAtMost = 1s;
constexpr std::uint64_t kPage = 8192, kHeader = 24, kLongHeader = 40;

// Between 0 and `most`, another one for each check of each host; needs no randomness but spread.
Duration jitter(std::uint64_t seed, Duration most) {
  std::uint64_t mixed = (seed + 1) * 0x9e3779b97f4a7c15u;
  return Duration(static_cast<Duration::rep>((mixed >> 33) % 1024) * most.count() / 1024);
}
}  // namespace

std::string_view name(Role role) {
  switch (role) {
    case Role::Unknown:
      return "unknown";
    case Role::Primary:
      return "primary";
    case Role::Standby:
      return "standby";
  }
  return "";
}

std::string_view name(Health health) {
  switch (health) {
    case Health::Unknown:
      return "unknown";
    case Health::Up:
      return "up";
    case Health::Suspect:
      return "suspect";
    case Health::Ejected:
      return "ejected";
    case Health::Probing:
      return "probing";
  }
  return "";
}

std::string_view name(Cause cause) {
  switch (cause) {
    case Cause::None:
      return "";
    case Cause::Refused:
      return "refused";
    case Cause::Timeout:
      return "timeout";
    case Cause::StartingUp:
      return "starting up";
    case Cause::ShuttingDown:
      return "shutting down";
    case Cause::TooManyConnections:
      return "too many connections";
    case Cause::ConnectionLost:
      return "connection lost";
    case Cause::LoginFailed:
      return "monitor cannot log in";
    case Cause::Failed:
      return "failed";
  }
  return "";
}

std::string Endpoint::text() const {
  if (address.empty() || address == host) return base::cat(host, ":", port);
  return base::cat(host, "(", address, "):", port);
}

std::uint64_t without_page_header(std::uint64_t position, std::uint64_t segment_size) {
  bool first = segment_size != 0 && position % segment_size < kPage;
  return position % kPage == (first ? kLongHeader : kHeader) ? position - position % kPage
                                                             : position;
}

void HostMachine::set(Health health, TimePoint now) {
  health_ = health;
  since_ = now;
}

bool HostMachine::good(const Sample& probe, const HealthPolicy& policy) {
  TimePoint now = probe.answered;
  Sample sample = probe;
  // A monitor that cannot log in does not know better than pooled connections.
  if (sample.doubt == Cause::LoginFailed && told_at_ != TimePoint{}) sample.role = last_.role;
  if (sample.doubt != Cause::LoginFailed) told_at_ = {};
  Health before = health_;
  bool changed = !answers_ || last_.role != sample.role || last_.timeline != sample.timeline ||
                 last_.system != sample.system || last_.identity != sample.identity ||
                 last_.read_only != sample.read_only || last_.doubt != sample.doubt;
  last_ = sample;
  answers_ = true;
  bads_ = 0;
  ++goods_;
  ++checks_;
  ended_ = now;
  switch (health_) {
    case Health::Unknown:
    case Health::Suspect:
      set(Health::Up, now);
      break;
    case Health::Up:
      break;
    case Health::Ejected:
    case Health::Probing:
      // A primary, or one where nobody knows, is needed as it is.
      if (sample.role == Role::Primary) {
        ramp_from_ = base::kNever;
        set(Health::Up, now);
      } else if (goods_ >= policy.rise) {
        ramp_from_ = now;
        set(Health::Up, now);
      } else if (health_ == Health::Ejected) {
        set(Health::Probing, now);
      }
      break;
  }
  if (health_ == Health::Up) {
    cause_ = sample.doubt;
    detail_ = sample.text;
  }
  return changed || health_ != before;
}

bool HostMachine::bad(Cause cause, std::string_view text, TimePoint now,
                      const HealthPolicy& policy) {
  Health before = health_;
  bool changed = answers_ || cause_ != cause;
  answers_ = false;
  goods_ = 0;
  ++bads_;
  ++checks_;
  ended_ = now;
  cause_ = cause;
  detail_ = text;
  switch (health_) {
    case Health::Up:
      set(bads_ >= policy.fall ? Health::Ejected : Health::Suspect, now);
      break;
    case Health::Unknown:
    case Health::Suspect:
      if (bads_ >= policy.fall) set(Health::Ejected, now);
      break;
    case Health::Probing:
      set(Health::Ejected, now);
      break;
    case Health::Ejected:
      break;
  }
  if (health_ == Health::Ejected && before != Health::Ejected && before != Health::Probing)
    ++ejections_;
  return changed || health_ != before;
}

bool HostMachine::told_role(Role role, TimePoint now) {
  if (!answers_ || last_.doubt != Cause::LoginFailed) return false;
  told_at_ = now;
  return std::exchange(last_.role, role) != role;
}

bool HostMachine::fault(TimePoint now) {
  if (told_at_ != TimePoint{}) {  // it may come back as something else
    told_at_ = {};
    last_.role = Role::Unknown;
  }
  // A suspect's next probe is near: a storm of lost connections is not one of failed probes.
  if (health_ != Health::Up) return false;
  ended_ = {};
  set(Health::Suspect, now);
  cause_ = Cause::ConnectionLost;
  detail_.clear();
  return true;
}

TimePoint HostMachine::due(const HealthPolicy& policy, bool held) const {
  if (ended_ == TimePoint{}) return ended_;
  Duration wait = policy.interval;
  switch (health_) {
    case Health::Up:
      wait += jitter(checks_, wait / 10) - wait / 20;
      break;
    case Health::Unknown:
    case Health::Suspect:
    case Health::Probing:
      // After a time-out there has been time enough.
      wait = cause_ == Cause::Timeout ? Duration{} : std::min(wait, kSuspectEvery);
      break;
    case Health::Ejected: {
      int doublings = std::clamp(bads_ - policy.fall, 0, 2);
      wait = std::min(std::min(kSuspectEvery * (1 << doublings), kEjectedAtMost), wait);
      wait += jitter(checks_, wait / 5);
      break;
    }
  }
  if (held) wait = std::min(wait, kHeldEvery);
  return ended_ + wait;
}

// A host that did not answer in time is given less of it until it does.
Duration HostMachine::patience(const HealthPolicy& policy) const {
  bool slow = cause_ == Cause::Timeout && health_ != Health::Up;
  return slow && health_ == Health::Suspect ? policy.timeout / 2 : policy.timeout;
}

}  // namespace howdah::route
