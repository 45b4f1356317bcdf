// Portals whose text names statements, from Bind to Execute; see client_stream.cpp.
#include <algorithm>
#include <utility>

#include "howdah/session/relay.h"

namespace howdah::session {

using wire::kHeaderSize;
namespace fe = wire::fe;

namespace {
// No more are remembered of one client.
constexpr std::size_t kMaxBound = 256;
}  // namespace

// What is bound to the portal from now on.
void ClientStream::keep_effects(std::string_view portal) {
  if (bound_) std::erase_if(*bound_, [&](const BoundPortal& old) { return old.portal == portal; });
  if (!sql_effects_) return;
  if (!bound_) bound_ = std::make_unique<std::vector<BoundPortal>>();
  bound_->push_back({std::string(portal), std::move(sql_effects_)});
  if (bound_->size() > kMaxBound) bound_->erase(bound_->begin());
  ++bound_number_;
}

void ClientStream::on_execute(Following& f, std::string_view seen) {
  Owed::Entry entry{fe::kExecute};
  entry.block = bound_block_;
  wire::Cursor cursor(seen.substr(kHeaderSize));
  std::string_view portal = cursor.cstring();
  if (bound_ && cursor.ok()) {
    auto found = std::find_if(bound_->begin(), bound_->end(),
                              [&](const BoundPortal& one) { return one.portal == portal; });
    if (found != bound_->end()) {
      entry.detail = std::move(found->effects);
      bound_->erase(found);
    }
    if (bound_->empty()) bound_.reset();
  }
  f.owed.sent(std::move(entry));
  f.to_server.view(seen);
}

}  // namespace howdah::session
