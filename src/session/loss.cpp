// What a client is told when its server is lost and it stays; see relay.h.
//
//   every request that is owed an answer   error, ReadyForQuery
//   a batch whose Sync is still to come    error; skipped up to that Sync
//   a copy                                 error [ReadyForQuery]; late CopyData is dropped
//   nothing owed, in a transaction block   nothing: the next request gets the error (failed_block.h)
//
// In a transaction block, or where one was about to begin, ReadyForQuery says 'E': what the client
// sends before it knows, or does not look, must not run by itself. Behind a COMMIT it says 'I': over it
// is, one way or the other.
#include <string>

#include "howdah/session/relay.h"
#include "session/sql_names.h"

namespace howdah::session {

namespace be = wire::be;
namespace fe = wire::fe;

namespace {
// What the entries seen so far of one request do to the block.
struct Course {
  bool opens = false, ends = false, executed = false;
  void take(const Owed::Entry& entry) {
    if (entry.block == Owed::Block::Opens) opens = true;
    if (entry.block == Owed::Block::Ends && !executed) ends = true;
    executed = executed || entry.kind == fe::kExecute || entry.kind == fe::kQuery;
  }
  bool in_block(bool before) const { return opens || (before && !ends); }
};
}  // namespace

void ServerStream::keep_last_words(std::string_view whole, const wire::ErrorFields& fields) {
  error_text_.assign(fields.message.substr(0, 500));
  error_code_.assign(fields.code.substr(0, 5));
  last_words_ = error_anew(whole, [](char type, std::string_view value) {
    return type == 'S' || type == 'V' ? std::string_view("ERROR") : value;
  });
}

ServerStream::Aftermath ServerStream::lose(const Errors& errors, const Sides& sides) {
  if (sides.batch) sides.batch->release(sides.out, sides.of_client);
  Aftermath after;
  after.in_block = tx_ != wire::TxStatus::Idle;
  after.told = tx_ == wire::TxStatus::Failed;
  const bool skipping = sides.owed.skipping(), open = sides.owed.open_batch();
  dropped_.clear();
  sides.owed.lost(dropped_);
  bool first = true;
  Course course;
  auto tell = [&] {
    bool own = std::exchange(first, false) && !errors.words.empty();
    bool block = course.in_block(after.in_block);
    sides.out->copy(own ? errors.words : block ? errors.in_block : errors.outside);
    after.told = true;
  };
  for (const Owed::Entry& entry : dropped_) {
    bool ours = entry.action == Owed::Action::Swallow;
    if (ours && entry.kind == fe::kSync) continue;
    course.take(entry);
    if (!ends_in_ready(entry.kind)) continue;
    if (!ours) tell();  // a Query whose error has been told waits for its ReadyForQuery alone
    after.in_block = course.in_block(after.in_block);
    sides.out->copy(short_message(be::kReadyForQuery, after.in_block ? "E" : "I"));
    course = {};
  }
  if (open || skipping) {
    if (!skipping) tell();
    after.in_block = course.in_block(after.in_block);
    after.to_sync = true;
  }
  undo_dropped(sides);
  tx_ = wire::TxStatus::Idle;
  return after;
}

}  // namespace howdah::session
