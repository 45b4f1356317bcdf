// Sums and differences of Counters, field by field.
#include "howdah/metrics/counters.h"

namespace howdah::metrics {
namespace {

constexpr std::uint64_t Counters::*kFields[] = {
    &Counters::server_assignments, &Counters::transactions, &Counters::queries,
    &Counters::received,           &Counters::sent,         &Counters::transaction_time,
    &Counters::query_time,         &Counters::wait_time,    &Counters::client_parses,
    &Counters::server_parses,      &Counters::binds,        &Counters::client_logins,
};
static_assert(sizeof kFields / sizeof kFields[0] * sizeof(std::uint64_t) == sizeof(Counters),
              "a counter is missing from the list");

}  // namespace

Counters& Counters::operator+=(const Counters& other) {
  for (auto field : kFields) this->*field += other.*field;
  return *this;
}

Counters Counters::operator-(const Counters& other) const {
  Counters difference;
  for (auto field : kFields) {
    if (this->*field > other.*field) difference.*field = this->*field - other.*field;
  }
  return difference;
}

}  // namespace howdah::metrics
