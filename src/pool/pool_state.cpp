// Which steps a slot may take (diagram in pool_state.h).
#include "pool/pool_state.h"

#include "pool/waiting.h"

namespace howdah::pool {

bool legal(SlotState from, SlotState to) {
  switch (from) {
    case SlotState::Connecting:
      return to == SlotState::Active;
    case SlotState::Active:
      return to == SlotState::Parked || to == SlotState::Promised || to == SlotState::Closing;
    case SlotState::Parked:
      return to == SlotState::Active || to == SlotState::Promised || to == SlotState::Closing;
    case SlotState::Promised:
      return to == SlotState::Active;
    case SlotState::Closing:
      return false;
  }
  return false;
}

Pool::Pool() : lines(std::make_unique<Waiting>()) {}
Pool::~Pool() = default;

bool Pool::empty() const {
  return clients == 0 && count() == 0 && lines->empty() && waiting_own.empty() && promised.empty();
}

const Ticket* Pool::oldest() const {
  const Ticket *shared = lines->front(), *alone = waiting_own.front();
  return !alone || (shared && shared->before(*alone)) ? shared : alone;
}

}  // namespace howdah::pool
