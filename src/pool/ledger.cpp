// Ledger: one mutex around one Book (book.h), and the permits. Nothing is decided here.
#include "howdah/pool/ledger.h"

#include "howdah/base/mutex.h"
#include "pool/book.h"

namespace howdah::pool {

using base::Lock;

struct Ledger::Impl {
  Impl(Ledger* ledger, std::shared_ptr<const config::Config> config, WorkerId workers)
      : book(ledger, std::move(config), workers) {}
  mutable base::Mutex mutex;
  Book book GUARDED_BY(mutex);
};

Permit& Permit::operator=(Permit&& other) noexcept {
  if (this != &other) {
    Permit old(std::move(*this));
    ledger_ = other.ledger_;
    slot_ = other.slot_;
    other.ledger_ = nullptr;
  }
  return *this;
}

Permit::~Permit() {
  if (ledger_) ledger_->dropped(slot_);
}

Ledger::Ledger(std::shared_ptr<const config::Config> config, WorkerId workers)
    : impl_(std::make_unique<Impl>(this, std::move(config), workers)) {}

Ledger::~Ledger() = default;

PoolId Ledger::pool(const std::shared_ptr<const config::Database>& db, std::string_view pool_user) {
  Lock lock(impl_->mutex);
  return impl_->book.pool(*db, pool_user);
}

PoolInfo Ledger::info(PoolId pool) const {
  Lock lock(impl_->mutex);
  return impl_->book.info(pool);
}

void Ledger::client_joined(PoolId pool) {
  Lock lock(impl_->mutex);
  impl_->book.client_joined(pool);
}

void Ledger::client_left(PoolId pool, TimePoint now) {
  Lock lock(impl_->mutex);
  impl_->book.client_left(pool, now);
}

Checkout Ledger::checkout(PoolId pool, Waiter who, TimePoint now, Actions& actions,
                          HostMask hosts) {
  Lock lock(impl_->mutex);
  return impl_->book.checkout(pool, who, hosts, now, actions);
}

bool Ledger::cancel(TicketId ticket) {
  Lock lock(impl_->mutex);
  return impl_->book.cancel(ticket);
}

Checkout Ledger::retry(PoolId pool, Waiter who, TimePoint since, TimePoint now, Actions& actions,
                       HostMask hosts) {
  Lock lock(impl_->mutex);
  return impl_->book.retry(pool, who, hosts, since, now, actions);
}

Checkout Ledger::checkout_own(PoolId pool, Waiter who, TimePoint since, TimePoint now,
                              Actions& actions) {
  Lock lock(impl_->mutex);
  return impl_->book.checkout_own(pool, who, since, now, actions);
}

Checkin Ledger::checkin(SlotId slot, WorkerId worker, TimePoint now) {
  Lock lock(impl_->mutex);
  return impl_->book.checkin(slot, worker, now);
}

bool Ledger::adopted(SlotId slot, TicketId ticket, WorkerId worker, TimePoint now) {
  Lock lock(impl_->mutex);
  return impl_->book.adopted(slot, ticket, worker, now);
}

Checkin Ledger::opened(const Permit& permit, WorkerId worker, TimePoint now) {
  Lock lock(impl_->mutex);
  return impl_->book.opened(permit.slot(), worker, now, nullptr);
}

Checkin Ledger::opened(const Permit& permit, WorkerId worker, TimePoint now, Actions& actions) {
  Lock lock(impl_->mutex);
  return impl_->book.opened(permit.slot(), worker, now, &actions);
}

void Ledger::connect_failed(Permit permit, TimePoint now, Actions& actions) {
  if (!permit) return;
  permit.ledger_ = nullptr;
  Lock lock(impl_->mutex);
  impl_->book.connect_failed(permit.slot_, now, actions);
}

void Ledger::login_failed(Permit permit, const base::Error& error, TimePoint now,
                          Actions& actions) {
  if (!permit) return;
  permit.ledger_ = nullptr;
  Lock lock(impl_->mutex);
  impl_->book.login_failed(permit.slot_, error, now, actions);
}

void Ledger::lost(Permit permit, TimePoint now, Actions& actions) {
  if (!permit) return;
  permit.ledger_ = nullptr;
  Lock lock(impl_->mutex);
  impl_->book.lost(permit.slot_, now, actions);
}

void Ledger::dropped(SlotId slot) {
  Lock lock(impl_->mutex);
  impl_->book.dropped(slot);
}

bool Ledger::retire(SlotId slot, TimePoint) {
  Lock lock(impl_->mutex);
  return impl_->book.retire(slot);
}

void Ledger::tick(TimePoint now, Actions& actions) {
  Lock lock(impl_->mutex);
  impl_->book.tick(now, actions);
}

void Ledger::reconfigure(std::shared_ptr<const config::Config> config, TimePoint now,
                         Actions& actions) {
  Lock lock(impl_->mutex);
  impl_->book.reconfigure(std::move(config), now, actions);
}

void Ledger::set_hosts(std::string_view database, std::shared_ptr<const HostSet> hosts,
                       TimePoint now, Actions& actions) {
  Lock lock(impl_->mutex);
  impl_->book.set_hosts(database, std::move(hosts), now, actions);
}

void Ledger::reconnect(std::string_view database, TimePoint now, Actions& actions) {
  Lock lock(impl_->mutex);
  impl_->book.reconnect(database, now, actions);
}

void Ledger::pause(std::string_view database, TimePoint, Actions& actions) {
  Lock lock(impl_->mutex);
  impl_->book.pause(database, actions);
}

void Ledger::resume(std::string_view database, TimePoint now, Actions& actions) {
  Lock lock(impl_->mutex);
  impl_->book.resume(database, now, actions);
}

void Ledger::drain(const base::Error& error, TimePoint, Actions& actions) {
  Lock lock(impl_->mutex);
  impl_->book.drain(error, actions);
}

std::vector<PoolSnapshot> Ledger::snapshot() const {
  Lock lock(impl_->mutex);
  return impl_->book.snapshot();
}

std::size_t Ledger::servers() const {
  Lock lock(impl_->mutex);
  return impl_->book.servers();
}

std::size_t Ledger::servers_of_database(std::string_view database) const {
  Lock lock(impl_->mutex);
  return impl_->book.servers_of(kDatabase, database);
}

std::size_t Ledger::servers_of_user(std::string_view pool_user) const {
  Lock lock(impl_->mutex);
  return impl_->book.servers_of(kUser, pool_user);
}

std::size_t Ledger::servers_at(const config::Host& host, std::string_view address) const {
  Lock lock(impl_->mutex);
  return impl_->book.servers_at(host, address);
}

std::string Ledger::check_invariants() const {
  Lock lock(impl_->mutex);
  return impl_->book.check_invariants();
}

}  // namespace howdah::pool
